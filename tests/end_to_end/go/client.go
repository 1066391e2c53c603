// A client with Go's sockets and Go's TLS, for servers that speak first.
//
//	client [flags] sized            send a message at once, then take the greeting and the echo, each in a read
//	client [flags] lines REQUEST... take the greeting, then a line for each request; tell them, and of TLS, in JSON
package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"time"
)

const patience = time.Minute

var (
	network  = flag.String("network", "tcp", "tcp, tls or udp")
	address  = flag.String("address", "", "whom to ask")
	ca       = flag.String("ca", "", "for tls: the file of the authority to trust")
	name     = flag.String("name", "", "for tls: the server's name")
	alpn     = flag.String("alpn", "", "for tls: the protocol to ask for")
	older    = flag.Bool("older", false, "for tls: speak TLS 1.2")
	greeting = flag.String("greeting", "", "for sized: what comes first")
	times    = flag.Int("times", 1, "for sized: connections, one after the other")
)

func main() {
	log.SetFlags(0)
	flag.Parse()
	switch what := flag.Arg(0); what {
	case "sized":
		for n := 0; n < *times; n++ {
			sized()
		}
	case "lines":
		lines(flag.Args()[1:])
	default:
		log.Fatalf("sized or lines, not %q", what)
	}
}

func dial() net.Conn {
	var conn net.Conn
	var err error
	if *network == "tls" {
		conn, err = tls.Dial("tcp", *address, settings())
	} else {
		conn, err = net.Dial(*network, *address)
	}
	if err != nil {
		log.Fatal(err)
	}
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		log.Fatal(err)
	}
	return conn
}

func settings() *tls.Config {
	pem, err := os.ReadFile(*ca)
	if err != nil {
		log.Fatal(err)
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(pem)
	config := &tls.Config{RootCAs: trusted, ServerName: *name}
	if *alpn != "" {
		config.NextProtos = []string{*alpn}
	}
	if *older {
		config.MaxVersion = tls.VersionTLS12
	}
	return config
}

func sized() {
	conn := dial()
	defer conn.Close()
	message := "testing " + *network + "route"
	send(conn, message)
	if *greeting != "" {
		// No room for a byte of the echo.
		expect(conn, make([]byte, len(*greeting)), *greeting)
	}
	// And room for a byte too many.
	expect(conn, make([]byte, len(message)+1), message)
}

// expect takes a single read, which must give all of it.
func expect(conn net.Conn, room []byte, all string) {
	count, err := conn.Read(room)
	if got := string(room[:count]); err != nil || got != all {
		log.Fatalf("%q came, not %q (%v)", got, all, err)
	}
}

func send(conn net.Conn, text string) {
	if _, err := conn.Write([]byte(text)); err != nil {
		log.Fatal(err)
	}
}

// lines uses a reader only once: what it has read beyond a line is lost.
func lines(requests []string) {
	conn := dial()
	defer conn.Close()
	told := map[string]any{"lines": []string{line(conn)}}
	for _, request := range requests {
		send(conn, request+"\n")
		told["lines"] = append(told["lines"].([]string), line(conn))
	}
	if secured, ok := conn.(*tls.Conn); ok {
		state := secured.ConnectionState()
		told["version"] = state.Version
		told["suite"] = tls.CipherSuiteName(state.CipherSuite)
		told["protocol"] = state.NegotiatedProtocol
	}
	text, err := json.Marshal(told)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(text))
}

func line(conn net.Conn) string {
	reader := bufio.NewReader(conn)
	text, err := reader.ReadString('\n')
	if err != nil || reader.Buffered() > 0 {
		log.Fatalf("%q came, then %d bytes (%v)", text, reader.Buffered(), err)
	}
	return text
}
