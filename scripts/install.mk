# 'make install' puts the allocator under PREFIX: header, libraries, and hakmem.pc for pkg-config.
# DESTDIR stages it elsewhere for packaging.

PREFIX  ?= /usr/local
DESTDIR ?=
HAKMEM_VERSION := $(shell sed -n 's/.*HAKMEM_VERSION "\(.*\)"/\1/p' allocator/include/hakmem.h)

define HAKMEM_PC
prefix=$(PREFIX)
libdir=$${prefix}/lib
includedir=$${prefix}/include

Name: hakmem
Description: general-purpose memory allocator
Version: $(HAKMEM_VERSION)
Libs: -L$${libdir} -lhakmem
Libs.private: -pthread
Cflags: -I$${includedir}
endef

install: export PC = $(HAKMEM_PC)
install: $(ALLOCATOR_LIBS)  ## the allocator under PREFIX (/usr/local), staged in DESTDIR
	install -d $(DESTDIR)$(PREFIX)/include $(DESTDIR)$(PREFIX)/lib/pkgconfig
	install -m 644 allocator/include/hakmem.h $(DESTDIR)$(PREFIX)/include/
	install -m 755 $(ALLOCATOR_OUT)/libhakmem.so $(DESTDIR)$(PREFIX)/lib/
	install -m 644 $(ALLOCATOR_OUT)/libhakmem.a $(DESTDIR)$(PREFIX)/lib/
	printenv PC > $(DESTDIR)$(PREFIX)/lib/pkgconfig/hakmem.pc
