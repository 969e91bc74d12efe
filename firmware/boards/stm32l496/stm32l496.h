// The registers of the STM32L496 that the firmware uses. Numbers: ST RM0351 revision 9, section in each comment.
#ifndef STM32L496_H
#define STM32L496_H

#include "../common/cortex_m4.h"

#define STM32_INTERRUPTS 91 // 13.3, table 58
#define DMA1_CHANNEL4_INTERRUPT 14u
#define USART2_INTERRUPT 38u
#define LPUART1_INTERRUPT 70u

// 3.7 Flash
#define FLASH_ACR REGISTER(0x40022000u)
#define FLASH_ACR_LATENCY 7u
#define FLASH_ACR_PRFTEN (1u << 8)
#define FLASH_ACR_ICEN (1u << 9)
#define FLASH_ACR_DCEN (1u << 10)

// 5.4 Power control
#define PWR_CR1 REGISTER(0x40007000u)
#define PWR_CR2 REGISTER(0x40007004u)
#define PWR_SR2 REGISTER(0x40007014u)
#define PWR_CR1_VOS (3u << 9)
#define PWR_CR1_VOS_RANGE1 (1u << 9)
#define PWR_CR2_IOSV (1u << 9)
#define PWR_SR2_VOSF (1u << 10)

// 6.4 Reset and clock control
#define RCC_CR REGISTER(0x40021000u)
#define RCC_CFGR REGISTER(0x40021008u)
#define RCC_PLLCFGR REGISTER(0x4002100Cu)
#define RCC_PLLSAI1CFGR REGISTER(0x40021010u)
#define RCC_AHB1ENR REGISTER(0x40021048u)
#define RCC_AHB2ENR REGISTER(0x4002104Cu)
#define RCC_APB1ENR1 REGISTER(0x40021058u)
#define RCC_APB1ENR2 REGISTER(0x4002105Cu)
#define RCC_APB2ENR REGISTER(0x40021060u)
#define RCC_CCIPR REGISTER(0x40021088u)
#define RCC_CSR REGISTER(0x40021094u)
#define RCC_CSR_RMVF (1u << 23)
#define RCC_CSR_PINRSTF (1u << 26)
#define RCC_CSR_BORRSTF (1u << 27)
#define RCC_CSR_SFTRSTF (1u << 28)
#define RCC_CSR_IWDGRSTF (1u << 29)
#define RCC_CSR_OTHERS ((1u << 24) | (1u << 25) | (1u << 30) | (1u << 31)) // firewall, options, WWDG, low power
#define RCC_CR_PLLON (1u << 24)
#define RCC_CR_PLLRDY (1u << 25)
#define RCC_CR_PLLSAI1ON (1u << 26)
#define RCC_CR_PLLSAI1RDY (1u << 27)
#define RCC_CFGR_SW 3u
#define RCC_CFGR_SW_MSI 0u
#define RCC_CFGR_SW_PLL 3u
#define RCC_CFGR_SWS (3u << 2)
#define RCC_CFGR_SWS_OF(source) ((source) << 2)
#define RCC_PLLCFGR_SRC_MSI 1u
#define RCC_PLLCFGR_M(divisor) (((divisor)-1u) << 4)
#define RCC_PLLCFGR_N(factor) ((factor) << 8)
#define RCC_PLLCFGR_REN (1u << 24)
#define RCC_PLLCFGR_R(divisor) (((divisor) / 2u - 1u) << 25)
#define RCC_PLLSAI1CFGR_N(factor) ((factor) << 8)
#define RCC_PLLSAI1CFGR_PEN (1u << 16)
#define RCC_PLLSAI1CFGR_P_17 (1u << 17) // else 7, as long as PLLSAI1PDIV (bits 27 to 31) is 0
#define RCC_CCIPR_SAI1SEL (3u << 22)    // 0: PLLSAI1's output P; also DFSDM1's audio clock
#define RCC_CCIPR_DFSDM1SEL (1u << 31)  // 0: APB2's clock
#define RCC_AHB1ENR_DMA1 (1u << 0)
#define RCC_APB2ENR_DFSDM1 (1u << 24)
#define RCC_AHB2ENR_GPIO(port) (1u << (((port)-GPIOA_BASE) / 0x400u))
#define RCC_APB1ENR1_USART2 (1u << 17)
#define RCC_APB1ENR1_PWR (1u << 28)
#define RCC_APB1ENR2_LPUART1 (1u << 0)

// 8.4 General-purpose I/O; every port has the same registers
#define GPIOA_BASE 0x48000000u
#define GPIOD_BASE 0x48000C00u
#define GPIOE_BASE 0x48001000u
#define GPIOG_BASE 0x48001800u
#define GPIO_MODER(port) REGISTER(port)
#define GPIO_OSPEEDR(port) REGISTER((port) + 0x08u)
#define GPIO_PUPDR(port) REGISTER((port) + 0x0Cu)
#define GPIO_AFR(port, pin) REGISTER((port) + 0x20u + 4u * ((pin) / 8u))
#define GPIO_MODE_ALTERNATE 2u
#define GPIO_PULL_UP 1u
#define GPIO_SPEED_MEDIUM 1u

// 11.6 DMA controller; channel 4 takes from DFSDM1's filter 0 when C4S of CSELR is 0 (11.3.2)
#define DMA1_ISR REGISTER(0x40020000u)
#define DMA1_IFCR REGISTER(0x40020004u)
#define DMA1_CCR4 REGISTER(0x40020044u)
#define DMA1_CNDTR4 REGISTER(0x40020048u)
#define DMA1_CPAR4 REGISTER(0x4002004Cu)
#define DMA1_CMAR4 REGISTER(0x40020050u)
#define DMA1_CSELR REGISTER(0x400200A8u)
#define DMA_FLAG_COMPLETE4 (1u << 13)
#define DMA_FLAG_HALF4 (1u << 14)
#define DMA_CSELR_C4S (15u << 12)
#define DMA_CCR_EN (1u << 0)
#define DMA_CCR_TCIE (1u << 1)
#define DMA_CCR_HTIE (1u << 2)
#define DMA_CCR_CIRC (1u << 5)
#define DMA_CCR_MINC (1u << 7)
#define DMA_CCR_PSIZE_16 (1u << 8)
#define DMA_CCR_MSIZE_16 (1u << 10)

// 24.7 DFSDM channels and 24.8 filters; all are written in words
#define DFSDM_CH0CFGR1 REGISTER(0x40016000u)
#define DFSDM_CH2CFGR1 REGISTER(0x40016040u)
#define DFSDM_CH2CFGR2 REGISTER(0x40016044u)
#define DFSDM_FLT0CR1 REGISTER(0x40016100u)
#define DFSDM_FLT0ISR REGISTER(0x40016108u)
#define DFSDM_FLT0ICR REGISTER(0x4001610Cu)
#define DFSDM_FLT0FCR REGISTER(0x40016114u)
#define DFSDM_FLT0RDATAR 0x4001611Cu // address; its upper half may be read alone
#define DFSDM_CH0CFGR1_CKOUTDIV(divisor) (((divisor)-1u) << 16)
#define DFSDM_CH0CFGR1_CKOUTSRC_AUDIO (1u << 30)
#define DFSDM_CH0CFGR1_DFSDMEN (1u << 31)
#define DFSDM_CHCFGR1_SITP_RISING (0u << 0)
#define DFSDM_CHCFGR1_SPICKSEL_CKOUT (1u << 2)
#define DFSDM_CHCFGR1_CHEN (1u << 7)
#define DFSDM_CHCFGR2_DTRBS(shift) ((shift) << 3)
#define DFSDM_FLTCR1_DFEN (1u << 0)
#define DFSDM_FLTCR1_RSWSTART (1u << 17)
#define DFSDM_FLTCR1_RCONT (1u << 18)
#define DFSDM_FLTCR1_RDMAEN (1u << 21)
#define DFSDM_FLTCR1_RCH(channel) ((channel) << 24)
#define DFSDM_FLTCR1_FAST (1u << 29)
#define DFSDM_FLTFCR_FORD(order) ((order) << 29)
#define DFSDM_FLTFCR_FOSR(ratio) (((ratio)-1u) << 16)
#define DFSDM_FLTISR_ROVRF (1u << 3) // at the same place in ICR

// Independent watchdog
#define IWDG_KR REGISTER(0x40003000u)
#define IWDG_PR REGISTER(0x40003004u)
#define IWDG_RLR REGISTER(0x40003008u)
#define IWDG_SR REGISTER(0x4000300Cu)
#define IWDG_KR_START 0xCCCCu
#define IWDG_KR_UNLOCK 0x5555u
#define IWDG_KR_RELOAD 0xAAAAu
#define IWDG_PR_256 6u

// 48.16 MCU debug component
#define DBGMCU_APB1FZR1 REGISTER(0xE0042008u)
#define DBGMCU_IWDG_STOP (1u << 12)

// 40.8 USART and 41.7 Low-power UART: the registers and bits used here are the same
#define USART2_BASE 0x40004400u
#define LPUART1_BASE 0x40008000u
#define UART_CR1(base) REGISTER(base)
#define UART_BRR(base) REGISTER((base) + 0x0Cu)
#define UART_ISR(base) REGISTER((base) + 0x1Cu)
#define UART_ICR(base) REGISTER((base) + 0x20u)
#define UART_RDR(base) REGISTER((base) + 0x24u)
#define UART_TDR(base) REGISTER((base) + 0x28u)
#define UART_CR1_UE (1u << 0)
#define UART_CR1_RE (1u << 2)
#define UART_CR1_TE (1u << 3)
#define UART_CR1_RXNEIE (1u << 5)
#define UART_ISR_ORE (1u << 3)
#define UART_ISR_RXNE (1u << 5)
#define UART_ISR_TC (1u << 6)
#define UART_ISR_TXE (1u << 7)

#endif
