// Runs images through an accelerator while bits of its registers and memories flip.
//
//   injector list
//     One line per register and memory: number, scope, name, width, words.
//   injector run IMAGES COUNT PASSES CYCLE_LIMIT FLIPS PROCESSES
//     Runs COUNT images without a flip, and prints its last cycle and how many results were flagged;
//     then once for each flip of the file FLIPS, lines "number word bit cycle" in the order of cycles.
//     For each of them it prints first wrong image, first flagged one, whether the class of a wrong one
//     is another, whether a flag was seen with or before the first wrong result, whether the design hung,
//     and its port `error`. -1 stands for none.
//
// A run with a flip is a fork of the run without, in the cycle of the flip: nothing has to be reset or
// written back, and the cycles before are simulated once for all flips.

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "design.h" // PIXELS, COLOURS, WORDS, CLASSES, PAYLOAD_WORDS, offsets of fields, ERROR_PORT
#include "verilated.h"
#include "verilated_syms.h"
#include "Vtop.h"

struct Target {
    std::string scope, name;
    uint8_t* data;
    int width, words, stride;
};

static std::vector<Target> find_targets(VerilatedContext& context) {
    std::vector<Target> targets;
    for (const auto& entry : *context.scopeNameMap()) {
        const VerilatedScope* scope = entry.second;
        if (!scope->varsp()) continue;
        for (auto& named : *scope->varsp()) {
            VerilatedVar& var = named.second;
            if (var.udims() > 1) continue;
            Target target;
            target.scope = scope->name();
            target.name  = named.first;
            target.data  = static_cast<uint8_t*>(var.datap());
            target.width = var.entBits();
            target.words = var.udims() ? var.range(0)->elements() : 1;
            target.stride = target.width <= 8 ? 1 : target.width <= 16 ? 2 : target.width <= 32 ? 4
                            : target.width <= 64 ? 8 : 4 * ((target.width + 31) / 32);
            targets.push_back(target);
        }
    }
    return targets;
}

using Word = std::array<uint32_t, PAYLOAD_WORDS>;

static uint32_t field(const Word& word, int offset, int width) {
    uint32_t value = 0;
    for (int bit = 0; bit < width; bit++)
        value |= (word[(offset + bit) / 32] >> (offset + bit) % 32 & 1) << bit;
    return value;
}

struct Outcome {
    int wrong = -1, flagged = -1, class_changed = 0, in_time = 0, hung = 0, error = 0;
};

// Verilator writes two underscores as ___05F.
class Run {
  public:
    Run(VerilatedContext& context, const std::vector<uint8_t>& pixels, int passes)
        : top(&context), pixels(pixels) {
        top.passes = passes;
        FIXED
        top.rst = 1;
        for (int i = 0; i < 4; i++) { half(0); half(1); }
        half(0);
        top.rst = 0;
        top.results___05Fready = 1;
    }

    // One cycle; returns whether a word of a result was taken.
    bool step(Word& word) {
        top.pixels___05Fvalid = sent < pixels.size() / COLOURS;
        if (top.pixels___05Fvalid) {
            uint32_t pixel = 0;
            for (int colour = 0; colour < COLOURS; colour++)
                pixel |= uint32_t(pixels[sent * COLOURS + colour]) << 8 * colour;
            top.pixels___05Fpayload = pixel;
        }
        half(0);
        const bool taken = top.results___05Fvalid;
        if (taken) memcpy(word.data(), &top.results___05Fpayload, sizeof(word));
        sent += top.pixels___05Fvalid && top.pixels___05Fready;
        half(1);
        cycle++;
        return taken;
    }

    void invert(const Target& target, int word, int bit) {
        target.data[word * target.stride + bit / 8] ^= 1 << bit % 8;
    }

    Vtop top;
    const std::vector<uint8_t>& pixels;
    size_t sent = 0;
    long cycle = 0;

  private:
    void half(int level) { top.clk = level; top.eval(); }
};

// Run to the end and compare with the results `golden`, whose first `taken` words have come.
static Outcome finish(Run& run, const Word* golden, size_t count, size_t taken, long limit, bool flagged) {
    Outcome outcome;
    Word word;
    bool changed = false;
    for (long idle = 0; taken < count && idle <= limit; idle++) {
        if (!run.step(word)) continue;
        idle = 0;
        const int image = taken / WORDS;
        const bool last = taken % WORDS == WORDS - 1;
        if (field(word, ERROR_OFFSET, 1)) {
            flagged = true;
            if (outcome.flagged < 0) outcome.flagged = image;
        }
        Word plain = word;
        plain[ERROR_OFFSET / 32] &= ~(1u << ERROR_OFFSET % 32);
        if (plain != golden[taken]) {
            changed = true;
            if (outcome.wrong < 0) outcome.wrong = image;
        }
        if (last && outcome.wrong == image) outcome.in_time = flagged;
        if (taken % CLASSES == CLASSES - 1 && changed) // the last word of a position
            outcome.class_changed |= field(word, CLASS_OFFSET, CLASS_WIDTH)
                                     != field(golden[taken], CLASS_OFFSET, CLASS_WIDTH);
        if (last && outcome.wrong >= 0 && flagged) break;
        if (last) changed = false;
        taken++;
    }
    outcome.hung = taken < count && !(outcome.wrong >= 0 && flagged);
#ifdef ERROR_PORT
    outcome.error = run.top.error;
#endif
    return outcome;
}

template <class T> static T* shared(size_t count) {
    void* memory = mmap(nullptr, count * sizeof(T) + 1, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                        -1, 0);
    if (memory == MAP_FAILED) { perror("injector"); exit(1); }
    return static_cast<T*>(memory);
}

struct Flip { size_t target; int word, bit; long cycle; };

int main(int argc, char** argv) {
    VerilatedContext context;
    if (argc < 2) return 2;
    const std::string mode = argv[1];
    std::vector<uint8_t> pixels;
    size_t images = 0;
    if (mode == "run") {
        images = atoi(argv[3]);
        pixels.resize(images * PIXELS * COLOURS);
        std::ifstream(argv[2], std::ios::binary).read(reinterpret_cast<char*>(pixels.data()), pixels.size());
    }
    Run run(context, pixels, mode == "run" ? atoi(argv[4]) : 1);
    const std::vector<Target> targets = find_targets(context);
    if (mode == "list") {
        for (size_t i = 0; i < targets.size(); i++)
            printf("%zu %s %s %d %d\n", i, targets[i].scope.c_str(), targets[i].name.c_str(),
                   targets[i].width, targets[i].words);
        return 0;
    }

    const size_t count = images * WORDS;
    const long limit = atol(argv[5]);
    Word* golden = shared<Word>(count);
    long* clean  = shared<long>(3);
    if (!fork()) {
        long idle = 0;
        for (size_t taken = 0; taken < count && idle <= limit; idle++)
            if (run.step(golden[taken])) {
                clean[1] += field(golden[taken], ERROR_OFFSET, 1);
                taken++, idle = 0, clean[2] = taken;
            }
        clean[0] = run.cycle;
        _exit(0);
    }
    wait(nullptr);
    printf("%ld %ld %ld\n", clean[0], clean[1], clean[2]);
    fflush(stdout);
    if (clean[2] != static_cast<long>(count)) return 1;

    std::vector<Flip> flips;
    std::ifstream file(argv[6]);
    for (Flip flip; file >> flip.target >> flip.word >> flip.bit >> flip.cycle;)
        flips.push_back(flip);
    Outcome* outcomes = shared<Outcome>(flips.size());
    int running = 0, processes = atoi(argv[7]);
    size_t taken = 0, done = 0;
    Word word;
    for (size_t i = 0; i < flips.size(); i++) {
        while (run.cycle < flips[i].cycle) taken += run.step(word);
        if (running == processes) { wait(nullptr); running--; done++; }
        if (done % 64 == 0 && done) { fprintf(stderr, "%zu\n", done); fflush(stderr); }
        if (!fork()) {
            run.invert(targets[flips[i].target], flips[i].word, flips[i].bit);
            outcomes[i] = finish(run, golden, count, taken, limit, false);
            _exit(0);
        }
        running++;
    }
    while (wait(nullptr) > 0) {}
    for (size_t i = 0; i < flips.size(); i++) {
        const Outcome& o = outcomes[i];
        printf("%d %d %d %d %d %d\n", o.wrong, o.flagged, o.class_changed, o.in_time, o.hung, o.error);
    }
    return 0;
}
