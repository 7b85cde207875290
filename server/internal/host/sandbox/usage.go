package sandbox

import (
	"hash/fnv"
	"math"
	"time"

	"github.com/hearthos/hearth/server/internal/host/lxc"
)

// Usage returns figures as of a service that has something to do: they rise and fall, each service's in its own way, the same
// each time.
func (cs *Containers) Usage(name string) (lxc.Usage, error) {
	c, err := cs.find(name)
	if err != nil {
		return lxc.Usage{}, err
	}
	return used(name, time.Since(c.begun)), nil
}

// UsageOfAll adds up what the containers use.
func (cs *Containers) UsageOfAll() (lxc.Usage, error) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	var all lxc.Usage
	for name, c := range cs.running {
		u := used(name, time.Since(c.begun))
		all.Memory, all.CPU, all.PIDs = all.Memory+u.Memory, all.CPU+u.CPU, all.PIDs+u.PIDs
		all.Read, all.Written = all.Read+u.Read, all.Written+u.Written
	}
	return all, nil
}

// used is what a service uses that runs since so long. Its load is a wave of its own height and length; what it has used is the
// area below, so it never falls.
func used(name string, since time.Duration) lxc.Usage {
	h := fnv.New32a()
	h.Write([]byte(name))
	seed := h.Sum32()
	share := func(shift int) float64 { return float64(seed>>shift&0xff) / 0xff }
	t := max(since.Seconds(), 0)
	height, turn := 0.01+0.12*share(0), 2*math.Pi/(40+120*share(8))
	worked := height * (t + (1-math.Cos(turn*t))/turn)
	memory := (24 + 300*share(16)) * (1 + 0.15*math.Sin(turn*t/3)) * (1 << 20)
	return lxc.Usage{
		Memory: int64(memory), CPU: time.Duration(worked * float64(time.Second)), PIDs: 3 + int64(12*share(24)),
		Read: int64(worked * (1 << 20)), Written: int64(worked * (3 << 19)),
	}
}
