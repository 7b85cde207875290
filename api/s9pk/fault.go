package s9pk

import metav1 "github.com/hearthos/hearth/api/gen/go/hearth/meta/v1"

// Fault answers the reason that callers of a server know a refusal by, false where it is not the file's fault.
func Fault(r Reason) (metav1.Reason, bool) {
	switch r {
	case NotPackage:
		return metav1.Reason_REASON_PACKAGE_FILE_FOREIGN, true
	case OldFormat:
		return metav1.Reason_REASON_PACKAGE_FILE_VERSION, true
	case UnknownFormat:
		return metav1.Reason_REASON_PACKAGE_FILE_NEWER, true
	case WeakKey, BadSignature, OtherPackage:
		return metav1.Reason_REASON_PACKAGE_FILE_SIGNATURE, true
	case BadManifest, BadMember, MissingMember, UnknownMember, BadName, DuplicateName, NotFound, NotFile:
		return metav1.Reason_REASON_PACKAGE_FILE_INVALID, true
	case ArchUnsupported:
		return metav1.Reason_REASON_PACKAGE_ARCHITECTURE, true
	case NewerOS:
		return metav1.Reason_REASON_PACKAGE_OS_TOO_NEW, true
	case Truncated, Malformed, Overlap, HashMismatch, Unsigned:
		return metav1.Reason_REASON_PACKAGE_FILE_DAMAGED, true
	case TooDeep, TooManyEntries, TooLarge:
		return metav1.Reason_REASON_PACKAGE_FILE_LIMIT, true
	}
	return metav1.Reason_REASON_UNSPECIFIED, false
}
