// One process; its handler is linked in or comes from a plugin, as the file beside this one says that it is built with.
//
// server PORT [PLUGIN]
package main

import (
	"fmt"
	"net/http"
	"os"
)

func main() {
	if len(os.Args) < 2 {
		fail(fmt.Errorf("server PORT [PLUGIN]"))
	}
	handle, err := handler(os.Args[2:])
	if err != nil {
		fail(err)
	}
	http.HandleFunc("GET /ip", handle)
	fail(http.ListenAndServe("127.0.0.1:"+os.Args[1], nil))
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
