/* A shared object that is no allocator. */
int hkl_nothing(void);

int hkl_nothing(void) {
    return 0;
}
