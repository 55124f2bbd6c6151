package daemon

import (
	"context"
	"fmt"
	"os"

	"github.com/denofn/denofn/daemon/admin"
	"github.com/denofn/denofn/gitreceive"
)

// Keys implements admin.API.
func (s *steering) Keys(context.Context) (*admin.Keys, error) {
	path := s.config.Load().SSH.AuthorizedKeys
	keys, err := readKeys(path)
	if err != nil {
		return nil, &admin.Error{Code: admin.CodeConflict, Message: fmt.Sprintf("nobody can push: %v", err), Hint: "write public keys into it, one a line"}
	}
	return keys, nil
}

// readKeys reads the file of keys as the git server does.
func readKeys(path string) (*admin.Keys, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	keys := &admin.Keys{Path: path, Keys: []admin.Key{}}
	parsed, wrong := gitreceive.ParseKeys(text)
	for _, k := range parsed {
		keys.Keys = append(keys.Keys, admin.Key{Name: k.Name, Role: string(k.Role), Repositories: k.Repositories, Fingerprint: k.Fingerprint})
	}
	for _, w := range wrong {
		keys.Wrong = append(keys.Wrong, w.Error())
	}
	return keys, nil
}

// checkKeys is the doctor's look at the file of keys.
func checkKeys(path string) admin.Check {
	check := admin.Check{Name: "keys", State: admin.Good}
	keys, err := readKeys(path)
	if err != nil {
		check.State, check.Detail, check.Hint = admin.Problem, fmt.Sprintf("nobody can push: %v", err), "write public keys into it, one a line"
		return check
	}
	check.Detail = fmt.Sprintf("%s in %s", count(len(keys.Keys), "key"), path)
	switch {
	case len(keys.Keys) == 0:
		check.State, check.Hint = admin.Problem, "nobody can push: write public keys into it, one a line"
	case len(keys.Wrong) > 0:
		check.State, check.Hint = admin.Warning, keys.Wrong[0]
	}
	return check
}
