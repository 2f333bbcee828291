// A parent and children that share a port by SO_REUSEPORT, each with one running thread, as Go prefork servers do it.
//
// prefork PORT CHILDREN
package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"

	"peer/ip"
)

// In socket.h of every architecture that this is built for; package syscall does not have it.
const soReusePort = 0xf

// In the environment of a child.
const mark = "PREFORK_CHILD"

func main() {
	if len(os.Args) != 3 {
		fail(fmt.Errorf("prefork PORT CHILDREN"))
	}
	if os.Getenv(mark) != "" {
		fail(serve(os.Args[1]))
	}
	children, err := strconv.Atoi(os.Args[2])
	if err != nil || children < 1 {
		fail(fmt.Errorf("CHILDREN is %q", os.Args[2]))
	}
	fail(supervise(children))
}

func serve(port string) error {
	runtime.GOMAXPROCS(1)
	listening := net.ListenConfig{Control: func(_, _ string, connection syscall.RawConn) error {
		var refused error
		err := connection.Control(func(descriptor uintptr) {
			refused = syscall.SetsockoptInt(int(descriptor), syscall.SOL_SOCKET, soReusePort, 1)
		})
		if err != nil {
			return err
		}
		return refused
	}}
	listener, err := listening.Listen(context.Background(), "tcp4", "127.0.0.1:"+port)
	if err != nil {
		return err
	}
	http.HandleFunc("GET /ip", ip.Handle)
	http.HandleFunc("GET /{$}", greet)
	return http.Serve(listener, nil)
}

// As forker-greeting does.
func greet(response http.ResponseWriter, _ *http.Request) {
	response.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = response.Write([]byte("greeting!!!"))
}

// Ends with the first child that ends, or on SIGTERM; the children end with it.
func supervise(count int) error {
	// PDEATHSIG comes when the thread ends that made the child.
	runtime.LockOSThread()
	ended := make(chan error, count)
	for range count {
		child := exec.Command("/proc/self/exe", os.Args[1:]...)
		child.Env = append(os.Environ(), mark+"=1")
		child.Stderr = os.Stderr
		child.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := child.Start(); err != nil {
			return err
		}
		go func() { ended <- child.Wait() }()
	}
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGTERM, syscall.SIGINT)
	select {
	case <-told:
		os.Exit(0)
		return nil
	case err := <-ended:
		return fmt.Errorf("a child ended: %v", err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
