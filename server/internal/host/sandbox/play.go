package sandbox

import "time"

// Play is how a played service behaves. The zero Play works well.
type Play struct {
	// InitTakes, StartTakes and StopTakes are how long its code takes, besides the Host's pace.
	InitTakes, StartTakes, StopTakes time.Duration
	// InitFails and StartFails are how often its init and its main still fail.
	InitFails, StartFails int
	// Crashes is how often its code still ends by itself, CrashAfter how long after its start.
	Crashes    int
	CrashAfter time.Duration
	// Unhealthy says that its health check fails.
	Unhealthy bool
	// Blocked says that its init creates a task without which it may not run.
	Blocked bool
	// Picky says that its install creates a task that stays until its greeting is another one.
	Picky bool
	// Stubborn says that its container does not end when it is asked to, only when it is killed.
	Stubborn bool
}

// role is a behaviour that people choose by the action of that name.
type role struct {
	id, name string
	play     Play
	// effect is what shows it now: nothing, restart or crash.
	effect string
}

const (
	nothing = ""
	restart = "restart"
	crash   = "crash"
)

// roles are what people can choose, in the order of the form. What fails does so a few times and then ends well: without
// its init a service has no actions to choose another role with.
func roles() []role {
	return []role{
		{"well", "Works well", Play{}, nothing},
		{"unhealthy", "Runs and is not healthy", Play{Unhealthy: true}, nothing},
		{"slow", "Takes half a minute to start", Play{StartTakes: 30 * time.Second}, restart},
		{"start-fails", "Does not start, three times", Play{StartFails: 3}, restart},
		{"crash", "Crashes once", Play{}, crash},
		{"crash-loop", "Crashes after three seconds, five times", Play{Crashes: 5, CrashAfter: 3 * time.Second}, restart},
		{"init-fails", "Crashes, and its init fails three times", Play{InitFails: 3}, crash},
		{"blocked", "Waits for a critical task", Play{Blocked: true}, nothing},
		{"hangs", "Takes a minute to stop", Play{StopTakes: time.Minute}, nothing},
	}
}
