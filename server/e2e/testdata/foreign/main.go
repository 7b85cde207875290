// Command foreign is all there is in an image for another architecture: a web server of the folder /data/www on port 80,
// which tells its architecture in a header, and, by the name of chown, a program that does nothing.
package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
)

func main() {
	if filepath.Base(os.Args[0]) == "chown" {
		return
	}
	files := http.FileServer(http.Dir("/data/www"))
	err := http.ListenAndServe(":80", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Architecture", runtime.GOARCH)
		files.ServeHTTP(w, r)
	}))
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
