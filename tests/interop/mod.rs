//! Real peers as judges. The brokers start from exactly the files that `certgen` wrote; the control group starts them
//! from files made by openssl, so that a broken test host is not mistaken for a broken product.

mod control;
