// Command certstorage-check loads kind configurations as `kind create cluster --config` does and says what is wrong with them.
package main

import (
	"fmt"
	"os"

	"sigs.k8s.io/kind/pkg/internal/apis/config/encoding"
)

func main() {
	failed := false
	for _, path := range os.Args[1:] {
		config, err := encoding.Load(path)
		if err == nil {
			err = config.Validate()
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", path, err)
			failed = true
			continue
		}
		fmt.Printf("%s: cluster %q, %d node(s)\n", path, config.Name, len(config.Nodes))
	}
	if failed {
		os.Exit(1)
	}
}
