// The same servers as typical Go programs: a goroutine per connection.
// Pinned to one core, the runtime sets GOMAXPROCS to 1.
//
//	server <handler> <- | folder of key.pem and cert.pem>
package main

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"syscall"
)

func echo(conn net.Conn) {
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

// Flushes when the next read would wait.
func respond(conn net.Conn, message func(*bufio.Reader, *bufio.Writer) error) {
	reader, writer := bufio.NewReader(conn), bufio.NewWriter(conn)
	for {
		if err := message(reader, writer); err != nil {
			return
		}
		if reader.Buffered() == 0 && writer.Flush() != nil {
			return
		}
	}
}

func line(reader *bufio.Reader, writer *bufio.Writer) error {
	text, err := reader.ReadString('\n')
	if err != nil {
		return err
	}
	_, err = writer.WriteString(text)
	return err
}

func frame(reader *bufio.Reader, writer *bufio.Writer) error {
	var header [4]byte
	if _, err := io.ReadFull(reader, header[:]); err != nil {
		return err
	}
	body := make([]byte, binary.BigEndian.Uint32(header[:]))
	if _, err := io.ReadFull(reader, body); err != nil {
		return err
	}
	writer.Write(header[:])
	_, err := writer.Write(body)
	return err
}

var room = struct {
	sync.Mutex
	queues map[chan []byte]bool
}{queues: map[chan []byte]bool{}}

func deliver(conn net.Conn, queue chan []byte) {
	for message := range queue {
		if _, err := conn.Write(message); err != nil {
			return
		}
	}
}

func fanout(conn net.Conn) {
	queue := make(chan []byte, 16)
	room.Lock()
	room.queues[queue] = true
	room.Unlock()
	go deliver(conn, queue)
	conn.Write([]byte("!")) // the load waits for it
	buffer := make([]byte, 16384)
	for {
		n, err := conn.Read(buffer)
		if err != nil {
			break
		}
		message := append([]byte(nil), buffer[:n]...)
		room.Lock()
		for one := range room.queues {
			one <- message
		}
		room.Unlock()
	}
	room.Lock()
	delete(room.queues, queue)
	room.Unlock()
	close(queue)
}

var handlers = map[string]func(net.Conn){
	"echo":   echo,
	"lines":  func(conn net.Conn) { respond(conn, line) },
	"frames": func(conn net.Conn) { respond(conn, frame) },
	"fanout": fanout,
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func accept(listener net.Listener, handle func(net.Conn)) {
	for {
		conn, err := listener.Accept()
		check(err)
		go func() {
			defer conn.Close()
			handle(conn)
		}()
	}
}

func secure(listener net.Listener, folder string) net.Listener {
	pair, err := tls.LoadX509KeyPair(filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem"))
	check(err)
	return tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{pair}})
}

func micros(t syscall.Timeval) int64 { return t.Sec*1000000 + int64(t.Usec) }

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	port := listener.Addr().(*net.TCPAddr).Port
	if os.Args[2] != "-" {
		listener = secure(listener, os.Args[2])
	}
	go accept(listener, handlers[os.Args[1]])
	fmt.Printf("{\"port\":%d}\n", port)
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
