#ifndef COPENSSL_SHIM_H
#define COPENSSL_SHIM_H
#include <openssl/ssl.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

// Function-like macros, which Swift does not see.
static inline int co_set_minimum(SSL_CTX *context, int version) {
    return SSL_CTX_set_min_proto_version(context, version);
}
static inline int co_set_server_name(SSL *ssl, const char *name) {
    return (int)SSL_set_tlsext_host_name(ssl, name);
}
static inline int co_error_reason(unsigned long code) { return ERR_GET_REASON(code); }
// One line a name, with what could harm a terminal escaped. (XN_FLAG_RFC2253 is a sum of unsigned macros.)
static inline int co_print_name(BIO *out, const X509_NAME *name) {
    return X509_NAME_print_ex(out, name, 0, XN_FLAG_RFC2253);
}
// Since OpenSSL 3.0 an end without close_notify is an error unless this is set. It is a 64-bit macro.
static inline void co_allow_sudden_end(SSL_CTX *context) {
    SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF);
}
#endif
