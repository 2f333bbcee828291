// Opens a plugin and finds its handler, and prints how long that took, as JSON. Once: what is open is not opened again.
//
// open PLUGIN
package main

import (
	"fmt"
	"net/http"
	"os"
	"plugin"
	"time"
)

func main() {
	if len(os.Args) != 2 {
		fail(fmt.Errorf("open PLUGIN"))
	}
	started := time.Now()
	opened, err := plugin.Open(os.Args[1])
	if err != nil {
		fail(err)
	}
	symbol, err := opened.Lookup("Handle")
	if err != nil {
		fail(err)
	}
	if _, ok := symbol.(func(http.ResponseWriter, *http.Request)); !ok {
		fail(fmt.Errorf("Handle is a %T", symbol))
	}
	fmt.Printf("{\"seconds\": %.9f, \"iterations\": 1}\n", time.Since(started).Seconds())
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
