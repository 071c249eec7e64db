// Simulates an accelerator at a serial line, whose other end is a pseudoterminal.
//
//   board CLOCK BAUD HITS SEED
//     CLOCK and BAUD are in Hz. Writes the name of the pseudoterminal, and ends with its standard input; then it
//     writes cycles, bytes of both directions and how many of them were hit. HITS is the probability that a byte
//     is hit, which is lost, doubled or has a bit inverted then; which ones follows from SEED.
//
// It runs as fast as it can while anything moves on the line, and slowly where nothing does.

#include <fcntl.h>
#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <random>

#include "verilated.h"
#include "Vtop.h"

// Cycles between two looks at the pseudoterminal, and after which an idle line lets others work.
static const long LOOK = 512, IDLE = 4096;

// What happens to bytes on the line.
class Line {
  public:
    Line(double hits, uint64_t seed) : hits(hits), random(seed) {}

    template <class Put> void pass(uint8_t byte, Put put) {
        bytes++;
        if (std::uniform_real_distribution<>()(random) >= hits) { put(byte); return; }
        hit++;
        switch (random() % 3) {
            case 0: return;
            case 1: put(byte); put(byte); return;
            default: put(byte ^ 1 << random() % 8);
        }
    }

    long bytes = 0, hit = 0;

  private:
    const double hits;
    std::mt19937_64 random;
};

int main(int argc, char** argv) {
    if (argc != 5) return 2;
    const long clock = atol(argv[1]), baud = atol(argv[2]);
    Line line(atof(argv[3]), strtoull(argv[4], nullptr, 10));

    const int terminal = posix_openpt(O_RDWR | O_NOCTTY);
    if (terminal < 0 || grantpt(terminal) || unlockpt(terminal)) { perror("board"); return 1; }
    // Kept open, so that the name is good before and after a host has it.
    const int other = open(ptsname(terminal), O_RDWR | O_NOCTTY);
    termios settings;
    if (other < 0 || tcgetattr(other, &settings)) { perror("board"); return 1; }
    cfmakeraw(&settings);
    tcsetattr(other, TCSANOW, &settings);
    fcntl(terminal, F_SETFL, O_NONBLOCK);
    printf("%s\n", ptsname(terminal));
    fflush(stdout);

    VerilatedContext context;
    Vtop top(&context);
    top.rst = 1;
    top.rx  = 1;
    for (int i = 0; i < 8; i++) { top.clk = i & 1; top.eval(); }
    top.rst = 0;

    std::deque<uint8_t> arriving, leaving;
    long cycle = 0, quiet = 0, phase_in = 0, phase_out = 0;
    int bits_in = 0, bits_out = 0;     // that are left of a byte
    unsigned frame_in = 0, byte_out = 0;
    for (;; cycle++) {
        if (cycle % LOOK == 0) {
            const bool idle = quiet > IDLE;
            pollfd files[] = {{STDIN_FILENO, POLLIN, 0}, {terminal, POLLIN, 0}};
            poll(files, 2, idle ? 1 : 0);
            uint8_t bytes[4096];
            if (files[0].revents && read(STDIN_FILENO, bytes, 1) <= 0) break;
            const ssize_t count = arriving.size() < sizeof(bytes) ? read(terminal, bytes, sizeof(bytes)) : 0;
            for (ssize_t i = 0; i < count; i++)
                line.pass(bytes[i], [&](uint8_t byte) { arriving.push_back(byte); });
            if (idle) quiet = 0;
            while (!leaving.empty() && write(terminal, &leaving.front(), 1) == 1) leaving.pop_front();
        }

        // To the board: start bit, eight bits, stop bit.
        if (!bits_in && !arriving.empty()) {
            frame_in = 0x200u | arriving.front() << 1;
            arriving.pop_front();
            bits_in = 10;
        }
        if (bits_in) {
            top.rx = frame_in & 1;
            quiet  = 0;
            if ((phase_in += baud) >= clock) { phase_in -= clock; bits_in--; frame_in >>= 1; }
        } else {
            top.rx = 1;
        }

        top.clk = 0; top.eval();
        top.clk = 1; top.eval();
        quiet++;

        // From the board: each bit in its middle.
        if (!bits_out && !top.tx) { bits_out = 10; phase_out = clock / 2; }
        if (bits_out) {
            quiet = 0;
            if ((phase_out += baud) >= clock) {
                phase_out -= clock;
                byte_out = byte_out >> 1 | unsigned(top.tx) << 9;
                if (!--bits_out && top.tx)
                    line.pass(byte_out >> 1 & 0xFF, [&](uint8_t byte) { leaving.push_back(byte); });
            }
        }
    }
    printf("%ld %ld %ld\n", cycle, line.bytes, line.hit);
    return 0;
}
