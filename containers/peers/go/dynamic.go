package main

import (
	"fmt"
	"net/http"
	"plugin"
)

func handler(arguments []string) (http.HandlerFunc, error) {
	if len(arguments) != 1 {
		return nil, fmt.Errorf("server PORT PLUGIN")
	}
	opened, err := plugin.Open(arguments[0])
	if err != nil {
		return nil, err
	}
	symbol, err := opened.Lookup("Handle")
	if err != nil {
		return nil, err
	}
	handle, ok := symbol.(func(http.ResponseWriter, *http.Request))
	if !ok {
		return nil, fmt.Errorf("Handle of %s is a %T", arguments[0], symbol)
	}
	return handle, nil
}
