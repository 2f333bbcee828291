package main

import (
	"net/http"

	"peer/ip"
)

func handler([]string) (http.HandlerFunc, error) { return ip.Handle, nil }
