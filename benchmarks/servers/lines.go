// What Go's own packages give: a goroutine for each connection, buffered, written when there is nothing more to read.
// With the files of a certificate and its key after the port, over TLS.
package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"os"
)

const buffer = 16 << 10

// flushing writes what is owed before it waits for more.
type flushing struct {
	net.Conn
	out *bufio.Writer
}

func (f flushing) Read(data []byte) (int, error) {
	if err := f.out.Flush(); err != nil {
		return 0, err
	}
	return f.Conn.Read(data)
}

func serve(conn net.Conn) {
	defer conn.Close()
	out := bufio.NewWriterSize(conn, buffer)
	defer out.Flush()
	in := bufio.NewReaderSize(flushing{conn, out}, buffer)
	for inside := false; ; {
		line, err := in.ReadSlice('\n')
		if !inside && len(line) > 0 {
			out.WriteString("server reply:")
		}
		out.Write(line)
		if err != nil && err != bufio.ErrBufferFull {
			return
		}
		inside = err != nil
	}
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if len(os.Args) > 2 {
		certificate, err := tls.LoadX509KeyPair(os.Args[2], os.Args[3])
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{certificate}})
	}
	for {
		conn, err := listener.Accept()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		go serve(conn)
	}
}
