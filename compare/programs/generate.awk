# Writes generated.c: 70 functions with loops, switches and structures for a compiler to work on.
BEGIN {
    file = "generated.c"
    for (n = 0; n < 70; n++) {
        printf "struct s%d { int a[%d]; long b; struct s%d *next; };\n", n, n % 7 + 1, n > file
        printf "long f%d(struct s%d *s, int k) {\n  long sum = %d;\n", n, n, n > file
        printf "  for (int i = 0; i < %d; i++) {\n    switch (k %% 5) {\n", n % 7 + 1 > file
        for (c = 0; c < 5; c++)
            printf "    case %d: sum += s->a[i] * %dL + k; break;\n", c, (n + c) % 31 > file
        printf "    }\n    if (s->next && sum > %d) sum ^= s->next->b;\n  }\n", n * 3 > file
        printf "  return sum%s;\n}\n", n ? " + k * " n % 9 : "" > file
    }
    close(file)
}
