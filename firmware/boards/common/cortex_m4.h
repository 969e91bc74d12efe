// Registers of the Cortex-M4 core itself, the same on every board. Numbers: ARMv7-M Architecture Reference Manual.
#ifndef CORTEX_M4_H
#define CORTEX_M4_H

#include <stdbool.h>
#include <stdint.h>

#define REGISTER(address) (*(volatile uint32_t *)(address))

// B3.2 System control block
#define SCB_VTOR REGISTER(0xE000ED08u)
#define SCB_AIRCR REGISTER(0xE000ED0Cu)
#define SCB_CFSR REGISTER(0xE000ED28u)
#define SCB_HFSR REGISTER(0xE000ED2Cu)
#define SCB_CPACR REGISTER(0xE000ED88u)
#define SCB_AIRCR_KEY (0x05FAu << 16)
#define SCB_AIRCR_SYSRESETREQ (1u << 2)
#define SCB_CPACR_FPU (0xFu << 20)

// B1.5.2 Exception numbers
#define EXCEPTION_NMI 2u
#define EXCEPTION_SYSTICK 15u

// B3.3 System timer, 24 bits
#define SYST_CSR REGISTER(0xE000E010u)
#define SYST_RVR REGISTER(0xE000E014u)
#define SYST_CVR REGISTER(0xE000E018u)
#define SYST_CSR_ENABLE (1u << 0)
#define SYST_CSR_TICKINT (1u << 1)
#define SYST_CSR_CLKSOURCE (1u << 2) // the core clock

// B3.5 Memory protection unit
#define MPU_CTRL REGISTER(0xE000ED94u)
#define MPU_RBAR REGISTER(0xE000ED9Cu)
#define MPU_RASR REGISTER(0xE000EDA0u)
#define MPU_CTRL_ENABLE (1u << 0)
#define MPU_CTRL_PRIVDEFENA (1u << 2) // the default map where no region is
#define MPU_RBAR_VALID (1u << 4)
#define MPU_RASR_ENABLE (1u << 0)
#define MPU_RASR_SIZE(log2_bytes) (((log2_bytes)-1u) << 1)
#define MPU_RASR_NO_ACCESS 0u

// B3.4 Nested vectored interrupt controller
#define NVIC_INTERRUPTS 240u // at most
#define NVIC_ISER(interrupt) REGISTER(0xE000E100u + 4u * ((interrupt) / 32u))
#define NVIC_ICER(interrupt) REGISTER(0xE000E180u + 4u * ((interrupt) / 32u))
#define NVIC_ICPR(interrupt) REGISTER(0xE000E280u + 4u * ((interrupt) / 32u))
#define NVIC_IPR(interrupt) (*(volatile uint8_t *)(0xE000E400u + (interrupt)))
#define NVIC_IPR_LAST 0xFFu

// C1.6 Debug monitor, C1.8 Data watchpoint and trace
#define SCB_DEMCR REGISTER(0xE000EDFCu)
#define SCB_DEMCR_TRCENA (1u << 24)
#define DWT_CTRL REGISTER(0xE0001000u)
#define DWT_CTRL_CYCCNTENA (1u << 0)
#define DWT_CYCCNT REGISTER(0xE0001004u)

static inline void interrupt_enable(uint32_t interrupt) {
    NVIC_ISER(interrupt) = 1u << (interrupt % 32u);
}

// Lets all other interrupts interrupt this one.
static inline void interrupt_give_way(uint32_t interrupt) {
    NVIC_IPR(interrupt) = NVIC_IPR_LAST;
}

static inline void interrupts_off(void) {
    __asm volatile("cpsid i" ::: "memory");
}

static inline void interrupts_on(void) {
    __asm volatile("cpsie i" ::: "memory");
}

// Whether this is an interrupt's or a fault's handler (B1.4.2: IPSR).
static inline bool in_handler(void) {
    uint32_t number;
    __asm volatile("mrs %0, ipsr" : "=r"(number));
    return number != 0;
}

// Sleeps until an interrupt is pending, also one that interrupts_off() holds back.
static inline void wait_for_interrupt(void) {
    __asm volatile("dsb\n wfi" ::: "memory");
}

// Number of the exception or interrupt that is being handled; 0: none.
static inline uint32_t current_exception(void) {
    uint32_t number;
    __asm volatile("mrs %0, ipsr" : "=r"(number));
    return number;
}

static inline void cycle_counter_start(void) {
    SCB_DEMCR |= SCB_DEMCR_TRCENA;
    DWT_CYCCNT = 0;
    DWT_CTRL |= DWT_CTRL_CYCCNTENA;
}

_Noreturn static inline void system_reset(void) {
    __asm volatile("dsb" ::: "memory");
    SCB_AIRCR = SCB_AIRCR_KEY | SCB_AIRCR_SYSRESETREQ;
    for (;;) {
    }
}

#endif
