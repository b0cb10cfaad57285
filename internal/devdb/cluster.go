package devdb

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/eggapi/eggapi/internal/fault"
)

const (
	superuser = "eggapi"
	database  = "eggapi"
)

// ensureCluster leaves a cluster at d.cluster whose superuser has the password of the password file.
// The file is written last: a cluster without one gets a new password, a file without its cluster would lock us out.
func (d *DB) ensureCluster(ctx context.Context) error {
	major, err := clusterMajor(d.cluster)
	if err != nil {
		return err
	}
	path := filepath.Join(d.o.Dir, "postgres.password")
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fault.Wrap(err, "read the database password")
	}
	d.password = strings.TrimSpace(string(text))
	if major != 0 && d.password != "" {
		return nil
	}
	d.password = newPassword()
	if major == 0 {
		err = fault.Wrap(d.create(ctx), "make the database")
	} else {
		reset := fmt.Sprintf("ALTER ROLE %s PASSWORD '%s'", superuser, d.password)
		err = fault.Wrap(d.single(ctx, d.cluster, reset), "replace a lost password")
	}
	if err != nil {
		return err
	}
	return fault.Wrap(writeWhole(path, d.password+"\n"), "write the database password")
}

func newPassword() string {
	secret := make([]byte, 24)
	_, _ = rand.Read(secret) // never fails
	return hex.EncodeToString(secret)
}

// writeWhole replaces a file that only we may read, all or nothing.
func writeWhole(path, text string) error {
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// create makes the cluster beside its place and moves it there whole, so a start that is cut short leaves nothing.
func (d *DB) create(ctx context.Context) error {
	parent, name := filepath.Split(d.cluster)
	pattern := name + "-new-*"
	broken, _ := filepath.Glob(filepath.Join(parent, pattern))
	for _, dir := range broken {
		_ = os.RemoveAll(dir)
	}
	fresh, err := os.MkdirTemp(parent, pattern)
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(fresh) }()
	data := filepath.Join(fresh, "data")
	secret := filepath.Join(fresh, "password")
	if err := os.Mkdir(data, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(secret, []byte(d.password+"\n"), 0o600); err != nil {
		return err
	}
	if err := d.give(fresh, data, secret); err != nil {
		return err
	}
	d.o.Progress(fmt.Sprintf("Making a PostgreSQL %d database in %s ...", d.bin.major, d.cluster))
	if err := d.initdb(ctx, data, secret); err != nil {
		return err
	}
	if err := d.single(ctx, data, "CREATE DATABASE "+database); err != nil {
		return err
	}
	return os.Rename(data, d.cluster)
}

func (d *DB) give(paths ...string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	for _, p := range paths {
		if err := os.Lchown(p, d.who.uid, d.who.gid); err != nil {
			return err
		}
	}
	return nil
}

func (d *DB) initdb(ctx context.Context, data, passwordFile string) error {
	args := []string{
		"-D", data, "--username=" + superuser, "--pwfile=" + passwordFile, "--auth=scram-sha-256",
		"--encoding=UTF8", "--locale=C", "--no-instructions",
	}
	if d.o.Disposable {
		args = append(args, "--no-sync")
	}
	cmd := d.who.command(ctx, d.bin.path("initdb"), args...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}

// single runs one statement in a server without network or sessions, which asks for no password.
// Its exit code does not tell of a failed statement, its output does.
func (d *DB) single(ctx context.Context, data, statement string) error {
	args := []string{"--single", "-D", data}
	if d.o.Disposable {
		args = append(args, "-c", "fsync=off")
	}
	cmd := d.who.command(ctx, d.bin.path("postgres"), append(args, "postgres")...)
	cmd.Stdin = strings.NewReader(statement + "\n")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("single-user server: %w: %s", err, bytes.TrimSpace(out))
	}
	if bytes.Contains(out, []byte("ERROR:")) {
		return fmt.Errorf("single-user server: %s", bytes.TrimSpace(out))
	}
	return nil
}
