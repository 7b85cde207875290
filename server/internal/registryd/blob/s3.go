package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

const (
	silence  = time.Minute      // after which storage that says nothing is given up
	smallest = 30 * time.Second // for what is no file of packages
	partSize = 16 << 20
	attempts = 3
)

var (
	bucketPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	prefixPattern = regexp.MustCompile(`^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$`)
)

// S3Options say where a bucket is.
type S3Options struct {
	// Place is "s3://bucket/prefix"; the prefix may be empty.
	Place string
	// Endpoint is the URL of the storage, as in "https://s3.example.org".
	Endpoint, Region string
	// Credentials is a file in the form of AWS, with a profile "default". Nobody else may read it.
	Credentials string
}

// S3 is storage in a bucket.
type S3 struct {
	core   minio.Core
	bucket string
	prefix string // ends with a slash, or is empty
}

var _ Storage = (*S3)(nil)

// IsS3 tells whether a place is one of S3.
func IsS3(place string) bool { return strings.HasPrefix(place, "s3://") }

// NewS3 returns the storage in a bucket, which is there. Nothing is asked yet.
func NewS3(o S3Options) (*S3, error) {
	bucket, prefix, _ := strings.Cut(strings.TrimPrefix(o.Place, "s3://"), "/")
	if prefix = strings.Trim(prefix, "/"); !IsS3(o.Place) || !bucketPattern.MatchString(bucket) || prefix != "" && !prefixPattern.MatchString(prefix) ||
		prefix != "" && path.Clean("/"+prefix) != "/"+prefix {
		return nil, fmt.Errorf("cannot use %q as storage: it is written as s3://BUCKET or s3://BUCKET/PREFIX", o.Place)
	}
	endpoint, err := url.Parse(o.Endpoint)
	if err != nil || endpoint.Host == "" || endpoint.Scheme != "https" && endpoint.Scheme != "http" || strings.Trim(endpoint.Path, "/") != "" || endpoint.User != nil {
		return nil, errors.New("cannot use the endpoint: it is written as https://HOST or http://HOST:PORT")
	}
	info, err := os.Stat(o.Credentials)
	if err != nil {
		return nil, fmt.Errorf("cannot read the credentials: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("cannot use the credentials in %s: others may read it; chmod 600", o.Credentials)
	}
	creds := credentials.NewFileAWSCredentials(o.Credentials, "default")
	if v, err := creds.GetWithContext(nil); err != nil || v.AccessKeyID == "" || v.SecretAccessKey == "" {
		return nil, fmt.Errorf("cannot use the credentials in %s: it needs aws_access_key_id and aws_secret_access_key in [default]", o.Credentials)
	}
	client, err := minio.New(endpoint.Host, &minio.Options{
		Creds: creds, Secure: endpoint.Scheme == "https", Region: o.Region, Transport: newTransport(), BucketLookup: minio.BucketLookupPath, MaxRetries: attempts,
	})
	if err != nil {
		return nil, fmt.Errorf("cannot use the storage: %w", err)
	}
	s := &S3{core: minio.Core{Client: client}, bucket: bucket}
	if prefix != "" {
		s.prefix = prefix + "/"
	}
	return s, nil
}

// newTransport gives up what is silent, whichever request it is, and goes by no proxy of the environment.
func newTransport() *http.Transport {
	dialer := net.Dialer{Timeout: 10 * time.Second}
	return &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, network, address)
			return impatient{c}, err
		},
		TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: silence, IdleConnTimeout: silence / 2,
		MaxIdleConnsPerHost: 16, MaxResponseHeaderBytes: 64 << 10, DisableCompression: true,
	}
}

// impatient is a connection on which each read and each write ends after a while.
type impatient struct{ net.Conn }

func (c impatient) Read(p []byte) (int, error) {
	c.SetReadDeadline(time.Now().Add(silence))
	return c.Conn.Read(p)
}

func (c impatient) Write(p []byte) (int, error) {
	c.SetWriteDeadline(time.Now().Add(silence))
	return c.Conn.Write(p)
}

// told brings an error of storage into the form that callers know.
func (s *S3) told(ctx context.Context, what, name string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	answer := minio.ToErrorResponse(err)
	switch {
	case answer.StatusCode == http.StatusNotModified:
		return ErrSame
	case answer.StatusCode == http.StatusPreconditionFailed, answer.Code == minio.PreconditionFailed:
		return ErrSwapped
	case answer.Code == minio.NoSuchKey, answer.StatusCode == http.StatusNotFound && answer.Code != minio.NoSuchBucket:
		return missing(name)
	}
	return unavailable(what+" "+name, err)
}

// Put implements Storage.
func (s *S3) Put(ctx context.Context, name string, from Source) error {
	if err := checkName(name); err != nil {
		return err
	}
	info, err := s.core.Client.PutObject(ctx, s.bucket, s.prefix+name, io.NewSectionReader(from, 0, from.Size()), from.Size(), minio.PutObjectOptions{
		ContentType: "application/octet-stream", PartSize: partSize, NumThreads: 2, SendContentMd5: true, DisableContentSha256: true, // the digest is among what is signed
	})
	if err != nil {
		return s.told(ctx, "write", name, err)
	}
	if info.Size != from.Size() {
		return unavailable("write "+name, fmt.Errorf("%d of %d bytes were taken", info.Size, from.Size()))
	}
	return nil
}

// Remove implements Storage.
func (s *S3) Remove(ctx context.Context, name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, smallest)
	defer cancel()
	if err := s.core.Client.RemoveObject(ctx, s.bucket, s.prefix+name, minio.RemoveObjectOptions{}); err != nil {
		if err = s.told(ctx, "remove", name, err); !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// List implements Storage.
func (s *S3) List(ctx context.Context, folder string, each func(name string) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the listing, where each gives up
	for o := range s.core.Client.ListObjectsIter(ctx, s.bucket, minio.ListObjectsOptions{Prefix: s.prefix + folder + "/", Recursive: true}) {
		if o.Err != nil {
			return s.told(ctx, "list", folder, o.Err)
		}
		name := strings.TrimPrefix(o.Key, s.prefix)
		if checkName(name) != nil {
			continue // it is none of ours
		}
		if err := each(name); err != nil {
			return err
		}
	}
	return nil
}

// Swap implements Storage.
func (s *S3) Swap(ctx context.Context, name string, content []byte, tag string) (string, error) {
	if err := checkName(name); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, silence)
	defer cancel()
	o := minio.PutObjectOptions{ContentType: "application/octet-stream", DisableMultipart: true, SendContentMd5: true, DisableContentSha256: true}
	if tag == "" {
		o.SetMatchETagExcept("*")
	} else {
		o.SetMatchETag(tag)
	}
	info, err := s.core.Client.PutObject(ctx, s.bucket, s.prefix+name, strings.NewReader(string(content)), int64(len(content)), o)
	if err != nil {
		if err = s.told(ctx, "change", name, err); errors.Is(err, os.ErrNotExist) {
			err = ErrSwapped // the one that was to be changed is gone
		}
		return "", err
	}
	return info.ETag, nil
}

// Sweep implements Storage.
func (s *S3) Sweep(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*smallest)
	defer cancel()
	for left := range s.core.Client.ListIncompleteUploads(ctx, s.bucket, s.prefix, true) {
		if left.Err != nil {
			if err := s.told(ctx, "list", "unfinished files", left.Err); !errors.Is(err, os.ErrNotExist) {
				return err
			}
			return nil // some have nothing to list
		}
		if err := s.core.AbortMultipartUpload(ctx, s.bucket, left.Key, left.UploadID); err != nil {
			if err = s.told(ctx, "remove", left.Key, err); !errors.Is(err, os.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}

// Load implements Reader.
func (s *S3) Load(ctx context.Context, name string, limit int64, tag string) ([]byte, string, error) {
	if err := checkName(name); err != nil {
		return nil, "", err
	}
	ctx, cancel := context.WithTimeout(ctx, silence)
	defer cancel()
	var o minio.GetObjectOptions
	if tag != "" {
		if err := o.SetMatchETagExcept(tag); err != nil {
			return nil, "", err
		}
	}
	body, info, _, err := s.core.GetObject(ctx, s.bucket, s.prefix+name, o)
	if err != nil {
		return nil, tag, s.told(ctx, "read", name, err)
	}
	defer body.Close()
	content, err := readAll(body, name, limit)
	if err == nil && int64(len(content)) != info.Size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, "", unavailable("read "+name, err)
	}
	return content, info.ETag, nil
}

// Open implements Reader.
func (s *S3) Open(ctx context.Context, name string) (File, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	info, err := s.core.Client.StatObject(ctx, s.bucket, s.prefix+name, minio.StatObjectOptions{})
	if err != nil {
		return nil, s.told(ctx, "open", name, err)
	}
	return &object{s: s, ctx: ctx, name: name, tag: info.ETag, size: info.Size}, nil
}

// object is a file of a bucket, read by one request for what lies behind the place that was sought.
type object struct {
	s         *S3
	ctx       context.Context // of whoever opened it: there is no other way to end a Read
	name, tag string
	size, at  int64
	body      io.ReadCloser
}

// Size implements File.
func (o *object) Size() int64 { return o.size }

// Read implements io.Reader.
func (o *object) Read(p []byte) (int, error) {
	if o.at >= o.size {
		return 0, io.EOF
	}
	if o.body == nil {
		var opt minio.GetObjectOptions
		if err := errors.Join(opt.SetMatchETag(o.tag), opt.SetRange(o.at, o.size-1)); err != nil {
			return 0, err
		}
		body, _, _, err := o.s.core.GetObject(o.ctx, o.s.bucket, o.s.prefix+o.name, opt)
		if err != nil {
			return 0, o.s.told(o.ctx, "read", o.name, err)
		}
		o.body = body
	}
	n, err := o.body.Read(p)
	o.at += int64(n)
	if err == io.EOF && o.at < o.size {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// Seek implements io.Seeker.
func (o *object) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += o.at
	case io.SeekEnd:
		offset += o.size
	}
	if offset < 0 {
		return 0, errors.New("cannot read before the beginning")
	}
	if offset != o.at {
		o.Close()
	}
	o.at = offset
	return offset, nil
}

// Close implements io.Closer.
func (o *object) Close() error {
	if o.body == nil {
		return nil
	}
	err := o.body.Close()
	o.body = nil
	return err
}
