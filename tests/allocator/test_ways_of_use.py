"""Ways to get hakmem into a program: linked with musl, a plug-in loaded with RTLD_DEEPBIND, a
library that is linked to it and loaded late, and calls before anything has started."""

import subprocess
from pathlib import Path

import pytest

from tests.allocator.runs import BUILD, ROOT, make

PROGRAM = r"""
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "hakmem.h"
static void *use(void *argument) {
    char *blocks[100] = {0};
    for (size_t i = 0; i < 100000; i++) {
        const size_t size = i % 3000 + (i % 1000 == 0 ? 3000000 : 1);
        free(blocks[i % 100]);
        blocks[i % 100] = i % 2 ? malloc(size) : calloc(1, size);
        if (blocks[i % 100] == NULL || (i % 2 == 0 && blocks[i % 100][size - 1] != 0))
            abort();
        memset(blocks[i % 100], 1, size);
    }
    for (size_t i = 0; i < 100; i++)
        free(blocks[i]);
    return argument;
}
int main(void) {
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, use, NULL);
    const pid_t pid = fork();
    if (pid == 0) {
        use(NULL);
        _exit(0);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    int status = -1;
    waitpid(pid, &status, 0);
    char *block = realloc(malloc(5 << 20), 9 << 20);
    /* 112: the class of hakmem, not of the C library */
    printf("%d %zu %d\n", status, hak_malloc_usable_size(malloc(100)), block != NULL);
    return 0;
}
"""

PLUG_IN = r"""
#include <stdlib.h>
#include <string.h>
char *make(void) { return strdup("made by the plug-in"); }
void drop(char *text) { free(text); }
void *grow(void *block) { return realloc(block, 100000); }
"""

HOST = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(int argc, char **argv) {
    void *library = dlopen(argv[1], RTLD_NOW | (argc > 2 ? RTLD_DEEPBIND : 0));
    if (library == NULL)
        return puts(dlerror()), 1;
    char *(*make)(void) = (char *(*)(void))dlsym(library, "make");
    void (*drop)(char *) = (void (*)(char *))dlsym(library, "drop");
    void *(*grow)(void *) = (void *(*)(void *))dlsym(library, "grow");
    for (int i = 0; i < 1000; i++) {
        free(make());         /* the plug-in's block, freed by the program */
        drop(strdup("host")); /* and the other way round */
        free(grow(malloc(100)));
    }
    return puts("fine"), 0;
}
"""

EARLY = r"""
#include <stdio.h>
#include <stdlib.h>
static void *early;
static void first(void) {
    free(NULL);
    early = realloc(NULL, 1000);
    free(calloc(3, 7000000));
}
/* before every constructor, those of the libraries included */
__attribute__((section(".preinit_array"), used)) static void (*const at_once)(void) = first;
int main(void) {
    free(early);
    return puts(early != NULL ? "fine" : "no memory"), 0;
}
"""


def compiled(folder: Path, source: str, name: str, *options: str | Path, cc: str = "gcc") -> Path:
    path = folder / name
    (folder / f"{name}.c").write_text(source)
    command = [cc, "-O1", "-fno-builtin", f"-I{ROOT}/allocator/include", str(path) + ".c"]
    command += [*map(str, options), "-o", str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return path


def output(*command: str | Path, preload: Path | None = None) -> str:
    env = {"LD_PRELOAD": str(preload)} if preload else {}
    done = subprocess.run(
        list(map(str, command)), env=env, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("options", [["-static"], []], ids=["static", "dynamic"])
def test_programs_with_musl(options: list[str], built: Path, tmp_path: Path) -> None:
    make("CC=musl-gcc", f"BUILD={BUILD}/musl", f"{BUILD}/musl/libhakmem.a")
    library = BUILD / "musl/libhakmem.a"
    program = compiled(tmp_path, PROGRAM, "program", *options, library, cc="musl-gcc")
    assert output(program) == "0 112 1\n"


@pytest.mark.parametrize("options", [["-static"], []], ids=["static", "dynamic"])
def test_programs_with_the_static_library(options: list[str], built: Path, tmp_path: Path) -> None:
    program = compiled(tmp_path, PROGRAM, "program", *options, built / "libhakmem.a", "-pthread")
    assert output(program) == "0 112 1\n"


def test_a_plug_in_bound_to_its_own_libraries(built: Path, tmp_path: Path) -> None:
    """With RTLD_DEEPBIND a plug-in's malloc is the C library's, unless it is linked to hakmem."""
    plug_in = compiled(
        tmp_path, PLUG_IN, "plug_in.so", "-shared", "-fPIC", "-Wl,--no-as-needed",
        f"-L{built}", "-lhakmem", f"-Wl,-rpath,{built}",
    )  # fmt: skip
    host = compiled(tmp_path, HOST, "host")
    linked = compiled(
        tmp_path,
        HOST,
        "linked",
        f"-L{built}",
        "-Wl,--no-as-needed",
        "-lhakmem",
        f"-Wl,-rpath,{built}",
    )
    ways: list[list[str]] = [[], ["deep"]]
    for way in ways:
        assert output(host, plug_in, *way, preload=built / "libhakmem.so") == "fine\n"
        assert output(linked, plug_in, *way) == "fine\n"


def test_a_library_that_is_linked_to_hakmem_and_loaded_late(built: Path, tmp_path: Path) -> None:
    """The program's malloc stays the C library's; what the library makes itself is its own."""
    own = PLUG_IN.replace('strdup("made by the plug-in")', "hak_malloc(100)").replace(
        "free(text)", "hak_free(text)"
    )
    library = compiled(
        tmp_path, "#include \"hakmem.h\"\n" + own, "own.so", "-shared", "-fPIC",
        f"-L{built}", "-lhakmem", f"-Wl,-rpath,{built}",
    )  # fmt: skip
    host = HOST.replace("free(make());", "drop(make());").replace('drop(strdup("host"));', "")
    assert output(compiled(tmp_path, host, "host"), library) == "fine\n"


def test_calls_before_every_constructor(built: Path, tmp_path: Path) -> None:
    program = compiled(tmp_path, EARLY, "early")
    assert output(program, preload=built / "libhakmem.so") == "fine\n"
    static = compiled(tmp_path, EARLY, "early-static", "-static", built / "libhakmem.a")
    assert output(static) == "fine\n"
