// What happens between reset and main(), and on a fault: see startup.h.
#include "../../lib/health/self_test.h"
#include "startup.h"

#define STACK_GUARD_LOG2_BYTES 10u // 1 KB, as in sections.ld

// From sections.ld
extern uint32_t __vectors[], __stack_guard[], __stack_bottom[], __data_load[], __data_start[], __data_end[],
    __bss_start[], __bss_end[];

int main(void);
void startup(void);

__attribute__((weak, alias("startup_fault_entry"))) void systick_interrupt(void);

__attribute__((weak)) void startup_exit(int code) {
    (void)code;
    for (;;) {
        wait_for_interrupt();
    }
}

__attribute__((weak)) void startup_fault(const uint32_t *frame) {
    (void)frame;
    system_reset();
}

// Assembler ends with its constants (.ltorg): link-time optimisation puts much code after it, out of their reach.

// Every fault and every interrupt without a handler ends here. The report takes less than 512 bytes.
__attribute__((naked)) void startup_fault_entry(void) {
    __asm volatile("mov r0, sp\n"
                   "ldr r1, =__stack_top\n"
                   "ldr r2, =__stack_bottom + 512\n"
                   "cmp r0, r1\n"
                   "bhi 1f\n"
                   "cmp r0, r2\n"
                   "bhs 2f\n"
                   "1: mov sp, r1\n"
                   "2: bl startup_fault\n"
                   "b .\n"
                   ".ltorg\n");
}

// A boot loader may have jumped here with its own stack.
__attribute__((naked)) void startup_reset(void) {
    __asm volatile("ldr r0, =__stack_top\n"
                   "mov sp, r0\n"
                   "b startup\n"
                   ".ltorg\n");
}

// Makes what is below the stack untouchable, except for fault handlers.
static void guard_stack(void) {
    MPU_RBAR = (uint32_t)__stack_guard | MPU_RBAR_VALID;
    MPU_RASR = MPU_RASR_NO_ACCESS | MPU_RASR_SIZE(STACK_GUARD_LOG2_BYTES) | MPU_RASR_ENABLE;
    MPU_CTRL = MPU_CTRL_ENABLE | MPU_CTRL_PRIVDEFENA;
}

// A boot loader may have left interrupts on that have no handler here.
static void forget_interrupts(void) {
    for (uint32_t interrupt = 0; interrupt < NVIC_INTERRUPTS; interrupt += 32u) {
        NVIC_ICER(interrupt) = UINT32_MAX;
        NVIC_ICPR(interrupt) = UINT32_MAX;
    }
}

// Fills what the stack has not reached yet, for self_test_stack_used().
static void paint_stack(void) {
    const uint32_t *here;
    __asm volatile("mov %0, sp" : "=r"(here));
    for (volatile uint32_t *to = __stack_bottom; to < here; to++) { // volatile: memset() has a stack, too
        *to = SELF_TEST_PAINT;
    }
}

__attribute__((used)) void startup(void) {
    SCB_VTOR = (uint32_t)__vectors;
    SCB_CPACR |= SCB_CPACR_FPU; // before the first floating-point instruction
    guard_stack();
    paint_stack();
    __asm volatile("dsb\n isb" ::: "memory");
    for (uint32_t *from = __data_load, *to = __data_start; to < __data_end;) {
        *to++ = *from++;
    }
    for (uint32_t *to = __bss_start; to < __bss_end;) {
        *to++ = 0;
    }
    forget_interrupts();
    interrupts_on();
    startup_exit(main());
    for (;;) {
    }
}
