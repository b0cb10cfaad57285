package webhook

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"

	"github.com/eggapi/eggapi/internal/fault"
)

// SealKey is one key that secrets are sealed with at rest. The ID is stored beside what it sealed.
type SealKey struct {
	ID  string
	Key [32]byte
}

// Sealer encrypts secrets with AES-256-GCM, bound to the user they belong to. It is safe for concurrent use.
type Sealer struct {
	first string
	aeads map[string]cipher.AEAD
}

// NewSealer seals with the first key and opens with any, so that a new key is put in front and an old one
// taken away once nothing is sealed with it. It fails without a key, on a key without an ID or all zero,
// and on two keys of one ID.
func NewSealer(keys ...SealKey) (*Sealer, error) {
	if len(keys) == 0 {
		return nil, errors.New("webhook secrets: no sealing key")
	}
	s := &Sealer{first: keys[0].ID, aeads: make(map[string]cipher.AEAD, len(keys))}
	for _, k := range keys {
		if k.ID == "" || k.Key == [32]byte{} {
			return nil, errors.New("webhook secrets: a sealing key is empty")
		}
		if s.aeads[k.ID] != nil {
			return nil, errors.New("webhook secrets: two sealing keys have one id")
		}
		block, err := aes.NewCipher(k.Key[:])
		if err != nil {
			return nil, fault.Wrap(err, "make a sealing cipher")
		}
		if s.aeads[k.ID], err = cipher.NewGCMWithRandomNonce(block); err != nil {
			return nil, fault.Wrap(err, "make a sealing cipher")
		}
	}
	return s, nil
}

// Seal encrypts a secret of a user. It gives the ID of the key and nonce, ciphertext and tag in one.
func (s *Sealer) Seal(userID, secret string) (keyID string, sealed []byte) {
	return s.first, s.aeads[s.first].Seal(nil, nil, []byte(secret), []byte(userID))
}

// Open gives a sealed secret back. It fails when the key is not among those given, and on bytes that
// were not sealed with it for this user.
func (s *Sealer) Open(userID, keyID string, sealed []byte) (string, error) {
	aead, ok := s.aeads[keyID]
	if !ok {
		return "", fmt.Errorf("open a webhook secret: no sealing key %q", keyID)
	}
	secret, err := aead.Open(nil, nil, sealed, []byte(userID))
	return string(secret), fault.Wrap(err, "open a webhook secret")
}
