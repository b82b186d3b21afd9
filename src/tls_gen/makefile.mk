# Written by certgen: rabbitmq/tls-gen's make interface, without openssl and python.
#
#   make -C PROFILE CN=localhost PASSWORD=...
#
# Each target is `certgen tls-gen PROFILE TARGET`. CERTGEN names the program.

CERTGEN ?= certgen

# What was given, on the command line of make or in the environment, goes on by the environment, as it was typed: a $ in a
# password stays a $, and no password stands in the arguments of a process or in the log of a build.
VARIABLES := CN CLIENT_ALT_NAME SERVER_ALT_NAME NUMBER_OF_PRIVATE_KEY_BITS DAYS_OF_VALIDITY USE_ECC ECC_CURVE PASSWORD

define pass_on
ifneq ($$(origin $(1)),undefined)
override $(1) := $$(value $(1))
export $(1)
endif
endef
$(foreach variable,$(VARIABLES),$(eval $(call pass_on,$(variable))))

# These would carry the command line of make, and with it the password, to the program.
unexport MAKEFLAGS MAKEOVERRIDES MFLAGS

TARGETS := gen regen generate regenerate clean info verify verify-pkcs12 alias-leaf-artifacts gen-client gen-server \
	generate-client generate-server gen-crl server client help

.PHONY: all $(TARGETS)

all $(TARGETS):
	@$(CERTGEN) tls-gen PROFILE $@
