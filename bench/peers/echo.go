// The same echo server as a typical Go program: a goroutine per connection.
// Pinned to one core, the runtime sets GOMAXPROCS to 1.
package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"runtime/debug"
	"syscall"
)

func echo(conn net.Conn) {
	defer conn.Close()
	buffer := make([]byte, 16384)
	for {
		n, err := conn.Read(buffer)
		if err != nil {
			return
		}
		if _, err := conn.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func accept(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			panic(err)
		}
		go echo(conn)
	}
}

func micros(t syscall.Timeval) int64 { return t.Sec*1000000 + int64(t.Usec) }

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go accept(listener)
	fmt.Printf("{\"port\":%d}\n", listener.Addr().(*net.TCPAddr).Port)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if lines.Text() == "gc" {
			debug.FreeOSMemory()
		}
		var usage syscall.Rusage
		syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
		fmt.Printf("{\"user\":%d,\"sys\":%d}\n", micros(usage.Utime), micros(usage.Stime))
	}
}
