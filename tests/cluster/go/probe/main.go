// Command probe is what the cluster's own tests run in Pods: `serve` answers HTTP with the host's name, `get URL` prints an
// answer, `write FILE TEXT` and `read FILE` use a volume.
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 1 && args[0] == "serve":
		name, err := os.Hostname()
		if err != nil {
			return err
		}
		handler := func(answer http.ResponseWriter, _ *http.Request) { fmt.Fprintln(answer, name) }
		return http.ListenAndServe(":8000", http.HandlerFunc(handler))
	case len(args) == 2 && args[0] == "get":
		client := http.Client{Timeout: 10 * time.Second}
		answer, err := client.Get(args[1])
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %s", args[1], answer.Status)
		}
		_, err = io.Copy(os.Stdout, answer.Body)
		return err
	case len(args) == 3 && args[0] == "write":
		return os.WriteFile(args[1], []byte(args[2]), 0o644)
	case len(args) == 2 && args[0] == "read":
		content, err := os.ReadFile(args[1])
		if err == nil {
			_, err = os.Stdout.Write(content)
		}
		return err
	}
	return fmt.Errorf("probe: no such command: %v", args)
}
