// Built with -buildmode=plugin: the handler, and nothing else.
package main

import (
	"net/http"

	"peer/ip"
)

// Handle is what the server looks up.
func Handle(response http.ResponseWriter, request *http.Request) { ip.Handle(response, request) }
