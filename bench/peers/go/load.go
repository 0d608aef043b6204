package main

import "time"

const tick = time.Millisecond

// sender answers "RATE BYTES MS": at a rate (0: as fast as it goes) what is due each tick, as zs-bench's own sender does.
func sender(send func(payload []byte) error) func(line string) (uint64, error) {
	return func(line string) (uint64, error) {
		n, err := numbers(line, 3)
		if err != nil {
			return 0, err
		}
		rate, payload, length := n[0], make([]byte, n[1]), time.Duration(n[2])*time.Millisecond
		var sent uint64
		for start := time.Now(); ; {
			passed := time.Since(start)
			if passed >= length {
				return sent, nil
			}
			due := uint64(float64(rate) * passed.Seconds())
			if rate == 0 {
				due = sent + 64
			}
			if due <= sent {
				time.Sleep(tick)
				continue
			}
			for ; sent < due; sent++ {
				if err := send(payload); err != nil {
					return sent, err
				}
			}
		}
	}
}
