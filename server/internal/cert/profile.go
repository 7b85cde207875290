package cert

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"text/template"
)

// profile is a configuration profile of Apple's systems that holds one root certificate.
var profile = template.Must(template.New("profile").Funcs(template.FuncMap{"xml": escape}).Parse(`<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>PayloadContent</key>
	<array>
		<dict>
			<key>PayloadCertificateFileName</key>
			<string>ca.crt</string>
			<key>PayloadContent</key>
			<data>{{.Content}}</data>
			<key>PayloadDescription</key>
			<string>{{xml .Fingerprint}}</string>
			<key>PayloadDisplayName</key>
			<string>{{xml .Name}}</string>
			<key>PayloadIdentifier</key>
			<string>org.hearthos.root.{{.Inner}}</string>
			<key>PayloadType</key>
			<string>com.apple.security.root</string>
			<key>PayloadUUID</key>
			<string>{{.Inner}}</string>
			<key>PayloadVersion</key>
			<integer>1</integer>
		</dict>
	</array>
	<key>PayloadDescription</key>
	<string>SHA-256 {{xml .Fingerprint}}</string>
	<key>PayloadDisplayName</key>
	<string>{{xml .Name}}</string>
	<key>PayloadIdentifier</key>
	<string>org.hearthos.profile.{{.Outer}}</string>
	<key>PayloadRemovalDisallowed</key>
	<false/>
	<key>PayloadType</key>
	<string>Configuration</string>
	<key>PayloadUUID</key>
	<string>{{.Outer}}</string>
	<key>PayloadVersion</key>
	<integer>1</integer>
</dict>
</plist>
`))

// AppleProfile answers the root as a profile for Apple's systems. It is the same each time, so installing it again replaces
// it.
func (a *Authority) AppleProfile() []byte {
	sum := sha256.Sum256(a.root.Raw)
	var b bytes.Buffer
	_ = profile.Execute(&b, map[string]string{ // a buffer takes everything
		"Content": base64.StdEncoding.EncodeToString(a.root.Raw), "Fingerprint": a.Fingerprint(), "Name": a.root.Subject.CommonName,
		"Inner": uuid(sum[:16]), "Outer": uuid(sum[16:]),
	})
	return b.Bytes()
}

// uuid writes 16 bytes as a UUID of version 8, whose bits mean what their maker says.
func uuid(b []byte) string {
	u := bytes.Clone(b)
	u[6], u[8] = u[6]&0x0f|0x80, u[8]&0x3f|0x80
	return fmt.Sprintf("%X-%X-%X-%X-%X", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

func escape(s string) (string, error) {
	var b bytes.Buffer
	err := xml.EscapeText(&b, []byte(s))
	return b.String(), err
}
