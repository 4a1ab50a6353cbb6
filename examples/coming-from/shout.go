// A line server: go run shout.go [port]. Every line returns in capitals.
//
// A client has ten seconds for each line. After Ctrl-C, connections have five seconds to finish.
package main

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"
)

func shout(conn net.Conn) {
	defer conn.Close()
	lines := bufio.NewScanner(conn)
	lines.Buffer(nil, 1000)
	for {
		conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		if !lines.Scan() {
			return // too late, end of file, a long line, or an error
		}
		conn.SetWriteDeadline(time.Now().Add(30 * time.Second))
		if _, err := fmt.Fprintln(conn, strings.ToUpper(lines.Text())); err != nil {
			return
		}
	}
}

func main() {
	port := "25000"
	if len(os.Args) > 1 {
		port = os.Args[1]
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	listener, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		<-ctx.Done()
		listener.Close()
	}()
	var handlers sync.WaitGroup
	for {
		conn, err := listener.Accept()
		if err != nil {
			break
		}
		handlers.Add(1)
		go func() {
			defer handlers.Done()
			shout(conn)
		}()
	}
	finished := make(chan struct{})
	go func() {
		handlers.Wait()
		close(finished)
	}()
	select {
	case <-finished:
	case <-time.After(5 * time.Second):
	}
}
