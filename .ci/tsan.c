/* What ThreadSanitizer cannot see of the precompiled standard library, told to it. `.ci/tsan` puts these in front of
 * the functions of those names (the linker's --wrap); the mangled ones come as -D.
 *
 * Told like this, and not suppressed: a suppression would have to name what a lock protects or what an Arc drops, and so
 * hide the races that are looked for. */
#include <stdbool.h>
#include <stdint.h>

#define TEXT(symbol) #symbol
#define REAL(symbol) __asm__("__real_" TEXT(symbol))
#define WRAP(symbol) __asm__("__wrap_" TEXT(symbol))

void __tsan_acquire(void *);
void __tsan_release(void *);

/* Mutex::lock, where it has to wait. Locking without a wait, and unlocking, are inlined and seen. */
void real_lock_contended(void *mutex) REAL(LOCK_CONTENDED);
void wrap_lock_contended(void *mutex) WRAP(LOCK_CONTENDED);

void wrap_lock_contended(void *mutex) {
    real_lock_contended(mutex);
    __tsan_acquire(mutex);
}

/* Condvar::wait and wait_timeout, which unlock and lock the mutex out of sight. */
void real_wait(void *condvar, void *mutex) REAL(WAIT);
void wrap_wait(void *condvar, void *mutex) WRAP(WAIT);

void wrap_wait(void *condvar, void *mutex) {
    __tsan_release(mutex);
    real_wait(condvar, mutex);
    __tsan_acquire(mutex);
}

bool real_wait_timeout(void *condvar, void *mutex, uint64_t seconds, uint32_t nanos) REAL(WAIT_TIMEOUT);
bool wrap_wait_timeout(void *condvar, void *mutex, uint64_t seconds, uint32_t nanos) WRAP(WAIT_TIMEOUT);

bool wrap_wait_timeout(void *condvar, void *mutex, uint64_t seconds, uint32_t nanos) {
    __tsan_release(mutex);
    bool notified = real_wait_timeout(condvar, mutex, seconds, nanos);
    __tsan_acquire(mutex);
    return notified;
}

/* An Arc's last owner: a releasing decrement, and an acquiring fence behind it. The sanitizer knows no fences. The
 * standard library has a load in its place when it is built for the sanitizer; here the decrement does it. */
enum { RELEASE = 3, ACQ_REL = 4 };

uint64_t __real___tsan_atomic64_fetch_sub(volatile uint64_t *value, uint64_t by, int order);

uint64_t __wrap___tsan_atomic64_fetch_sub(volatile uint64_t *value, uint64_t by, int order) {
    return __real___tsan_atomic64_fetch_sub(value, by, order == RELEASE ? ACQ_REL : order);
}
