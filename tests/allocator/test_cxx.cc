// C++ new and delete in all their forms, and containers on top of them.

#include "support.h"

#include <cstdlib>
#include <cstring>
#include <limits>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include <malloc.h>

namespace {

struct alignas(256) Wide {
    char bytes[300];
};

// The blocks must be of the allocator under test: its malloc_usable_size knows them.
void plain_forms(void **) {
    for (size_t size : {size_t{0}, size_t{1}, size_t{24}, size_t{1000}, size_t{50000}, 3 * MIB}) {
        void *block = ::operator new(size);
        assert_non_null(block);
        assert_true(is_well_aligned(block, size));
        assert_true(malloc_usable_size(block) >= size);
        fill(block, size, size);
        assert_int_equal(first_difference(block, size, size), size);
        ::operator delete(block);

        block = ::operator new[](size);
        assert_non_null(block);
        ::operator delete[](block);

        ::operator delete(::operator new(size), size);
        ::operator delete[](::operator new[](size), size);

        ::operator delete(::operator new(size, std::nothrow), std::nothrow);
        ::operator delete[](::operator new[](size, std::nothrow), std::nothrow);
    }
    ::operator delete(nullptr);
    ::operator delete[](nullptr);
}

void aligned_forms(void **) {
    for (size_t alignment = 16; alignment <= 64 * KIB; alignment *= 2) {
        auto align = std::align_val_t{alignment};
        for (size_t size : {size_t{0}, size_t{1}, size_t{100}, size_t{5000}, size_t{300000}}) {
            void *block = ::operator new(size, align);
            assert_non_null(block);
            assert_int_equal(reinterpret_cast<uintptr_t>(block) % alignment, 0);
            fill(block, size, alignment);
            assert_int_equal(first_difference(block, size, alignment), size);
            ::operator delete(block, align);

            block = ::operator new[](size, align);
            assert_int_equal(reinterpret_cast<uintptr_t>(block) % alignment, 0);
            ::operator delete[](block, size, align);

            ::operator delete(::operator new(size, align), size, align);
            ::operator delete[](::operator new[](size, align), align);
            ::operator delete(::operator new(size, align, std::nothrow), align, std::nothrow);
            ::operator delete[](::operator new[](size, align, std::nothrow), align, std::nothrow);
        }
    }
    auto wide = std::make_unique<Wide[]>(7);
    assert_int_equal(reinterpret_cast<uintptr_t>(wide.get()) % 256, 0);
}

template <typename Call> bool throws_bad_alloc(Call allocate) {
    try {
        void *volatile block = allocate();
        static_cast<void>(block);
    } catch (const std::bad_alloc &) {
        return true;
    }
    return false;
}

void too_much_throws_bad_alloc(void **) {
    volatile size_t half = std::numeric_limits<size_t>::max() / 2 + 1;
    auto align = std::align_val_t{64};
    assert_true(throws_bad_alloc([&] { return ::operator new(half); }));
    assert_true(throws_bad_alloc([&] { return ::operator new[](half); }));
    assert_true(throws_bad_alloc([&] { return ::operator new(half, align); }));
    assert_true(throws_bad_alloc([&] { return ::operator new[](half, align); }));
    assert_null(::operator new(half, std::nothrow));
    assert_null(::operator new[](half, std::nothrow));
    assert_null(::operator new(half, align, std::nothrow));
    assert_null(::operator new[](half, align, std::nothrow));
}

int handler_calls;

void give_up_at_the_third_call() {
    if (++handler_calls == 3) {
        std::set_new_handler(nullptr);
    }
}

// [new.delete.single]: the handler is called until there is memory or it is gone, then bad_alloc
// (or null).
void the_new_handler_is_called(void **) {
    volatile size_t half = std::numeric_limits<size_t>::max() / 2 + 1;
    handler_calls = 0;
    std::set_new_handler(give_up_at_the_third_call);
    assert_true(throws_bad_alloc([&] { return ::operator new(half); }));
    assert_int_equal(handler_calls, 3);
    handler_calls = 0;
    std::set_new_handler(give_up_at_the_third_call);
    assert_null(::operator new(half, std::nothrow));
    assert_int_equal(handler_calls, 3);
    handler_calls = 0;
    std::set_new_handler(give_up_at_the_third_call);
    assert_true(throws_bad_alloc([&] { return ::operator new (half, std::align_val_t{64}); }));
    assert_int_equal(handler_calls, 3);
}

void containers_hold_what_was_put_in(void **) {
    std::vector<std::thread> threads;
    std::vector<size_t> sums(4);
    for (size_t t = 0; t < sums.size(); t++) {
        threads.emplace_back([&sums, t] {
            std::map<std::string, std::vector<size_t>> table;
            for (size_t i = 0; i < 20000; i++) {
                table["key " + std::to_string(i % 1000) + " of a table"].push_back(i);
            }
            for (const auto &[key, values] : table) {
                for (size_t value : values) {
                    sums[t] += value;
                }
            }
        });
    }
    for (std::thread &thread : threads) {
        thread.join();
    }
    for (size_t sum : sums) {
        assert_int_equal(sum, size_t{20000} * 19999 / 2);
    }
}

} // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(plain_forms),
        cmocka_unit_test(aligned_forms),
        cmocka_unit_test(too_much_throws_bad_alloc),
        cmocka_unit_test(the_new_handler_is_called),
        cmocka_unit_test(containers_hold_what_was_put_in),
    };
    return cmocka_run_group_tests(tests, require_hakmem, nullptr);
}
