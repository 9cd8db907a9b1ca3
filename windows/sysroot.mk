# The libraries of the Windows client, static, for x86_64-w64-mingw32. scripts/build-windows runs this, with
#
#     sources=    the list of source packages, windows/sources
#     downloads=  the folder with their files, checked already
#     work=       a folder to build in; NAME.log is a package's output, NAME.done the time it took
#     prefix=     where the libraries go
#
# One makefile, so that packages that do not need each other are built side by side, on as many processors as -j says.
# Only the library of each package is built: no programs, no tests, no documentation.
host = x86_64-w64-mingw32
build := $(shell gcc -dumpmachine)
packages = gmp nettle gnutls28 ngtcp2 libevent libconfig jansson
all: $(packages:%=$(work)/%.done)
.PHONY: all

.ONESHELL:
.DELETE_ON_ERROR:
SHELL = /bin/sh
.SHELLFLAGS = -euc
# dash is much faster than bash at configure scripts and at libtool.
export CONFIG_SHELL = /bin/sh
export PKG_CONFIG_LIBDIR = $(prefix)/lib/pkgconfig
export PKG_CONFIG_PATH =
export PKG_CONFIG = pkg-config --static
# Most of the time goes into windows.h, which takes in all the intrinsic functions of GCC unless it thinks that they are
# there already. None of these libraries uses one; if one did, the programs could not be linked.
export CPPFLAGS = -I$(prefix)/include -DWIN32_LEAN_AND_MEAN= -D_X86INTRIN_H_INCLUDED
export LDFLAGS = -L$(prefix)/lib
export CFLAGS = -O2 -g0 -pipe -fstack-protector-strong
# Debian's patches make some sources newer than what is generated from them, which is good as it is.
frozen = AUTOCONF=: AUTOHEADER=: AUTOMAKE=: ACLOCAL=: MAKEINFO=:

# $(call unpack,NAME): the source with Debian's patches, in $(work)/NAME, where we then are.
define unpack
exec >$(work)/$(1).log 2>&1
begin=$$(date +%s)
file() { awk -v name=$(1) -v kind="$$1" '$$1 == name && index($$3, kind) { print $$3 }' $(sources); }
rm -rf $(work)/$(1)
mkdir -p $(work)/$(1)/build
cd $(work)/$(1)
tar xf "$(downloads)/$$(file .orig.)" --strip-components=1
changes=$$(file .debian.)
if [ -n "$$changes" ]; then
	tar xf "$(downloads)/$$changes"
	sed 's/#.*//; /^[[:space:]]*$$/d; s/[[:space:]].*//' debian/patches/series | while read -r patch; do
		echo "patch: $$patch"
		patch -s -p1 <"debian/patches/$$patch"
	done
fi
endef
# $(call configure,ARGUMENTS): in the package's folder build, where we then are.
define configure
cd build
$$CONFIG_SHELL ../configure -q --host=$(host) --build=$(build) --prefix=$(prefix) \
	--libdir=$(prefix)/lib --enable-static --disable-shared $(1)
configured=$$(date +%s)
endef
# The licences go with the programs.
define done
mkdir -p $(prefix)/licenses
for file in ../COPYING* ../LICENSE*; do
	[ ! -f "$$file" ] || cp "$$file" "$(prefix)/licenses/$(basename $(@F))-$${file#../}"
done
echo "$$(($$configured - $$begin)) $$(($$(date +%s) - $$configured))" >$@
endef

# Debian's archive has no doc/, but its configure wants to make that folder's makefile.
$(work)/gmp.done:
	$(call unpack,gmp)
	mkdir doc
	printf 'all install:\n' >doc/Makefile.in
	$(call configure,--disable-cxx $(frozen))
	$(MAKE) -s install SUBDIRS='mpn mpz mpq mpf printf scanf rand'
	$(call done)

# Without gmp there would be no libhogweed, and nobody would say so.
$(work)/nettle.done: $(work)/gmp.done
	$(call unpack,nettle)
	$(call configure,--disable-openssl --disable-documentation --enable-fat)
	$(MAKE) -s libnettle.a libhogweed.a
	$(MAKE) -s install-static install-headers install-pkgconfig
	test -s $(prefix)/lib/libhogweed.a
	$(call done)

# The empty priority file: the default is a path on the current drive, where every user may put a file for the service.
$(work)/gnutls28.done: $(work)/nettle.done
	$(call unpack,gnutls28)
	$(call configure,--with-included-libtasn1 --with-included-unistring --without-idn --without-p11-kit \
		--without-tpm --without-tpm2 --without-zlib --without-brotli --without-zstd --disable-doc --disable-tools \
		--disable-tests --disable-cxx --disable-nls --disable-libdane --disable-gost \
		--disable-openssl-compatibility --disable-ssl2-support --disable-srp-authentication \
		--disable-dtls-srtp-support --enable-threads=windows --disable-gcc-warnings --disable-full-test-suite \
		--disable-bash-tests --disable-valgrind-tests --with-system-priority-file= $(frozen))
	$(MAKE) -s -C gl
	$(MAKE) -s -C lib
	$(MAKE) -s -C lib install
	$(call done)

$(work)/ngtcp2.done: $(work)/gnutls28.done
	$(call unpack,ngtcp2)
	$(call configure,--enable-lib-only --with-gnutls --without-openssl --without-boringssl --without-wolfssl \
		--without-picotls --without-libev --without-libnghttp3 --without-jemalloc $(frozen))
	$(MAKE) -s -C lib install
	$(MAKE) -s -C crypto install
	$(call done)

$(work)/libevent.done:
	$(call unpack,libevent)
	$(call configure,--disable-openssl --disable-samples --disable-libevent-regress --disable-debug-mode $(frozen))
	$(MAKE) -s install LIBEVENT_LIBS_LA='libevent_core.la libevent_extra.la'
	$(call done)

# It has an fsync of its own for Windows, and does not declare it: with GCC 14 that is an error.
$(work)/libconfig.done:
	$(call unpack,libconfig)
	$(call configure,--disable-cxx --disable-examples --disable-tests $(frozen) \
		CFLAGS='$(CFLAGS) -Wno-error=implicit-function-declaration')
	$(MAKE) -s -C lib install
	$(call done)

$(work)/jansson.done:
	$(call unpack,jansson)
	autoreconf -fi
	$(call configure)
	$(MAKE) -s -C src install
	$(MAKE) -s install-pkgconfigDATA
	$(call done)
