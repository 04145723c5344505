// Go: one goroutine for each connection. go --once|--until-eof
package main

import (
	"fmt"
	"net"
	"os"
)

func serve(client net.Conn, once bool) {
	defer client.Close()
	buffer := make([]byte, 1024)
	for {
		size, err := client.Read(buffer)
		if err != nil {
			return
		}
		if _, err = client.Write(buffer[:size]); err != nil || once {
			return
		}
	}
}

func main() {
	once := len(os.Args) > 1 && os.Args[1] == "--once"
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("peer listening on %s\n", listener.Addr())
	for {
		if client, err := listener.Accept(); err == nil {
			go serve(client, once)
		}
	}
}
