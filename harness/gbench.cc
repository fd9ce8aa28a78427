// The shim over Google Benchmark. Scenarios: one benchmark, one repetition, a fixed number of
// iterations, manual time. With a fixed number the library calibrates nothing, so each iteration
// runs once and in order.
#include "harness/gbench.h"

#include <benchmark/benchmark.h>

#include <vector>

namespace {

// The driver writes its own record; the library's report is thrown away.
class SilentReporter : public benchmark::BenchmarkReporter {
  public:
    bool ReportContext(const Context &) override { return true; }
    void ReportRuns(const std::vector<Run> &) override {}
};

} // namespace

uint64_t hkl_gbench_run(const char *name, uint64_t iterations, hkl_gbench_step *step,
                        void *context) {
    uint64_t done = 0;
    benchmark::RegisterBenchmark(name,
                                 [&done, step, context](benchmark::State &state) {
                                     while (state.KeepRunningBatch(1)) {
                                         const uint64_t ns = step(context);
                                         state.SetIterationTime(static_cast<double>(ns) * 1e-9);
                                         done++;
                                     }
                                 })
        ->Iterations(static_cast<benchmark::IterationCount>(iterations))
        ->Repetitions(1)
        ->UseManualTime();
    SilentReporter reporter;
    benchmark::RunSpecifiedBenchmarks(&reporter, nullptr, ".");
    benchmark::ClearRegisteredBenchmarks();
    return done;
}

void hkl_gbench_register(const char *name, void (*body)(uint64_t iterations, size_t size),
                         size_t size) {
    benchmark::RegisterBenchmark(name, [body, size](benchmark::State &state) {
        const auto all = state.max_iterations;
        while (state.KeepRunningBatch(all))
            body(static_cast<uint64_t>(all), size);
    })->UseRealTime();
}

int hkl_gbench_main(int argc, char **argv) {
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv))
        return 1;
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return 0;
}
