package v0

// rule is who may call a method.
type rule int

const (
	anybody rule = iota
	signers
	admins
)

// method is one method of the protocol.
type method struct {
	rule   rule
	device bool // it heeds for which machine it is asked
	do     func(call) (any, error)
}

// table are all methods.
func (h *Handler) table() map[string]method {
	t := map[string]method{
		"index": {rule: signers, do: h.index}, "info": {do: h.info}, "info.set-name": {rule: admins, do: h.setName}, "info.set-icon": {rule: admins, do: h.setIcon},

		"package.index": {do: h.packageIndex}, "package.get": {device: true, do: h.packageGet},
		"package.add": {rule: signers, do: h.packageAdd}, "package.add-mirror": {rule: signers, do: h.packageAddMirror},
		"package.remove": {rule: signers, do: h.packageRemove}, "package.remove-mirror": {rule: signers, do: h.packageRemoveMirror},
		"package.signer.add": {rule: admins, do: h.packageSignerAdd}, "package.signer.remove": {rule: admins, do: h.packageSignerRemove},
		"package.signer.list":  {do: h.packageSignerList},
		"package.category.add": {rule: admins, do: h.categoryAdd}, "package.category.remove": {rule: admins, do: h.categoryRemove},
		"package.category.add-package": {rule: admins, do: h.categorize(true)}, "package.category.remove-package": {rule: admins, do: h.categorize(false)},
		"package.category.list": {do: h.categoryList},

		"os.index": {do: h.osIndex}, "os.version.get": {device: true, do: h.osVersionGet},
		"os.version.add": {rule: admins, do: h.osVersionAdd}, "os.version.remove": {rule: admins, do: h.osVersionRemove},
		"os.version.signer.add": {rule: admins, do: h.osSigner(true)}, "os.version.signer.remove": {rule: admins, do: h.osSigner(false)},
		"os.version.signer.list": {do: h.osSignerList},

		"admin.list": {rule: admins, do: h.signerList(true)}, "admin.add": {rule: admins, do: h.adminAdd}, "admin.remove": {rule: admins, do: h.adminRemove},
		"admin.signer.list": {rule: admins, do: h.signerList(false)}, "admin.signer.add": {rule: admins, do: h.signerAdd},
		"admin.signer.edit": {rule: admins, do: h.signerEdit}, "admin.signer.remove": {rule: admins, do: h.signerRemove},

		"metrics.downloads": {rule: admins, do: h.downloads}, "metrics.summary": {rule: admins, do: h.summary}, "metrics.users": {rule: admins, do: h.users},
		"db.dump": {rule: admins, do: h.dump},
	}
	for name, kind := range assetKinds {
		t["os.asset.add."+name] = method{rule: signers, do: h.assetAdd(kind)}
		t["os.asset.sign."+name] = method{rule: signers, do: h.assetSign(kind)}
		t["os.asset.remove."+name] = method{rule: signers, do: h.assetRemove(kind)}
		t["os.asset.get."+name] = method{do: h.assetGet(name)}
	}
	return t
}
