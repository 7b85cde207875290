package gauge_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hearthos/hearth/server/internal/host/gauge"
)

// recorded is the kernel's files of a machine.
const recorded = "testdata/machine"

func TestAMachineIsReadFromTheKernelsFiles(t *testing.T) {
	t.Parallel()
	got, err := gauge.Read(recorded)
	if err != nil {
		t.Fatal(err)
	}
	hot := 51.5 // of the processor; the disk, which is hotter, does not count
	want := gauge.Machine{
		Processors: 2, User: 10500 * time.Millisecond, System: 3500 * time.Millisecond, Idle: 900 * time.Second, Wait: 2 * time.Second,
		MemoryTotal: 16311184 << 10, MemoryAvailable: 9000000 << 10, SwapTotal: 2097148 << 10, SwapFree: 2000000 << 10,
		Boot: time.Unix(1700000000, 0), Temperature: &hot,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := gauge.Read(t.TempDir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a machine without files: %v", err)
	}
}

func TestAProcessIsReadWhateverItsName(t *testing.T) {
	t.Parallel()
	got, err := gauge.ReadProcess(recorded, 77)
	want := gauge.Process{CPU: 3 * time.Second, Memory: 2500 * uint64(os.Getpagesize())}
	if err != nil || got != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	if self, err := gauge.ReadProcess("/", os.Getpid()); err != nil || self.Memory == 0 {
		t.Errorf("this process: %+v, %v", self, err)
	}
}

func TestInterfacesAreReadAtOnce(t *testing.T) {
	t.Parallel()
	got, err := gauge.ReadTraffic(recorded)
	want := map[string]gauge.Traffic{"lo": {Received: 987654, Sent: 987654}, "h1abcveth1": {Received: 1000, Sent: 2000}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

// The bus and the files of a graphics card are links and devices, which a repository keeps badly: they are made here.
func TestProcessorsAndGraphicsCardsAreTold(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	if err := os.CopyFS(root, os.DirFS(recorded)); err != nil {
		t.Fatal(err)
	}
	card := filepath.Join(root, "sys/bus/pci/devices/0000:01:00.0")
	for path, text := range map[string]string{
		filepath.Join(card, "class"): "0x030000\n", filepath.Join(card, "vendor"): "0x10de\n", filepath.Join(card, "device"): "0x1c82\n",
		filepath.Join(card, "drm/card0/dev"): "", filepath.Join(root, "dev/dri/card0"): "",
		filepath.Join(root, "sys/bus/pci/devices/0000:02:00.0/class"): "0x020000\n",
		filepath.Join(root, "sys/bus/pci/drivers/nouveau/bind"):       "",
		filepath.Join(root, "sys/class/drm/card0-HDMI-A-1/status"):    "",
	} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("../../drivers/nouveau", filepath.Join(card, "driver")); err != nil {
		t.Fatal(err)
	}
	got, err := gauge.Inventory(root)
	want := []gauge.Device{
		{
			Class: gauge.ClassProcessor, Product: "Intel(R) Core(TM) i5-8250U CPU @ 1.60GHz", Vendor: "GenuineIntel",
			Capabilities: []string{"fpu", "vme", "avx2", "sgx"}, Count: 2,
		},
		{
			Class: gauge.ClassDisplay, Product: "GP107 [GeForce GTX 1050 Ti]", Vendor: "NVIDIA Corporation", Driver: "nouveau",
			Address: "0000:01:00.0", Files: []string{"/dev/dri/card0"}, Count: 1,
		},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func TestOnlyEmulatorsCountThatRunInContainers(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff([]string{"aarch64"}, gauge.Emulated(recorded)); diff != "" {
		t.Error(diff)
	}
}

func BenchmarkReadMachine(b *testing.B) {
	for b.Loop() {
		if _, err := gauge.Read("/"); err != nil {
			b.Fatal(err)
		}
	}
}
