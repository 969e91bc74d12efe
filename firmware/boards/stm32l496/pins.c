#include "pins.h"

#include "stm32l496.h"

static void set_field(volatile uint32_t *address, uint32_t bits, uint32_t place, uint32_t value) {
    uint32_t mask = ((1u << bits) - 1u) << (bits * place);
    *address = (*address & ~mask) | value << (bits * place);
}

void pin_connect(const struct pin *pin) {
    RCC_AHB2ENR |= RCC_AHB2ENR_GPIO(pin->port);
    (void)RCC_AHB2ENR; // 6.2.18: two cycles until a peripheral that was switched on answers
    set_field(&GPIO_AFR(pin->port, pin->number), 4, pin->number % 8u, pin->alternate);
    set_field(&GPIO_PUPDR(pin->port), 2, pin->number, GPIO_PULL_UP);
    set_field(&GPIO_MODER(pin->port), 2, pin->number, GPIO_MODE_ALTERNATE);
}

void pin_quicken(const struct pin *pin) {
    set_field(&GPIO_OSPEEDR(pin->port), 2, pin->number, GPIO_SPEED_MEDIUM);
}
