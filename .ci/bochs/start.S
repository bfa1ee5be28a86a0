# From reset into 64-bit mode with AVX-512 and tiles, then check(). The first instruction stands at the end of 4 GiB.
    .section .note.GNU-stack, "", @progbits

    .section .reset, "ax"
    .code16
    jmp real
    .balign 16

    .section .start, "ax"
real:
    cli
    xorw %ax, %ax
    movw %ax, %ds
    # 4 GiB of memory as they are, in pages of 1 GiB: tables at 0x1000 and 0x2000 (memory is zero at reset).
    movl $0x2003, 0x1000
    movl $0x00000083, 0x2000
    movl $0x40000083, 0x2008
    movl $0x80000083, 0x2010
    movl $0xc0000083, 0x2018
    lgdtl %cs:(descriptors - 0xffff0000)
    movl $0x40620, %eax             # PAE, OSFXSR, OSXMMEXCPT, OSXSAVE
    movl %eax, %cr4
    movl $0x1000, %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx          # EFER: long mode
    rdmsr
    orl $0x100, %eax
    wrmsr
    movl $0x80000031, %eax          # PG, NE, ET, PE
    movl %eax, %cr0
    ljmpl $8, $long
    .balign 8
table:
    .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff
descriptors:
    .word 23
    .long table

    .code64
long:
    movl $16, %eax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movl $0x400000, %esp
    fninit
    xorl %ecx, %ecx
    xorl %edx, %edx
    movl $0x600e7, %eax             # x87, SSE, AVX, AVX-512, tiles
    xsetbv
    movabsq $check, %rax
    call *%rax
    movw $0x8900, %dx               # Bochs ends when it reads this word here
    movabsq $word, %rsi
    movl $8, %ecx
    rep outsb
stop:
    hlt
    jmp stop
word:
    .ascii "Shutdown"
