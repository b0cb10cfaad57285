package provider

import (
	"context"
	"testing"
	"time"
)

func BenchmarkSandbox(b *testing.B) {
	s := NewSandbox(time.Now)
	for _, resolution := range []string{"1k", "2k", "4k"} {
		b.Run(resolution, func(b *testing.B) {
			prompts := []string{"a red fox in fresh snow", "harbour at night", "glass orbs", "paper boats", "old city", "dunes"}
			for i := 0; b.Loop(); i++ {
				r := Request{Prompt: prompts[i%len(prompts)], AspectRatio: "16:9", Resolution: resolution, Count: 1}
				if _, err := s.Submit(context.Background(), r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("4k with two 1k inputs", func(b *testing.B) {
		r := Request{Prompt: "a collage", AspectRatio: "16:9", Resolution: "1k"}
		first, err := s.Submit(context.Background(), r)
		if err != nil {
			b.Fatal(err)
		}
		in := Input{Data: first.Done.Images[0].Data}
		r.Resolution, r.Inputs = "4k", []Input{in, in}
		for b.Loop() {
			if _, err := s.Submit(context.Background(), r); err != nil {
				b.Fatal(err)
			}
		}
	})
}
