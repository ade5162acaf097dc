//! `export!`: which hooks the component has.

/// Names the plugin and its hooks, once in a crate: `export!(Policy: Rcpt, Data);`
///
/// Exactly these hooks are exported by the component, so a hook that is not named costs nothing.
/// Natively (in tests) it only checks that the traits are implemented.
#[macro_export]
macro_rules! export {
    ($plugin:ty : $($hook:ident),+ $(,)?) => {
        $($crate::__export_hook!($plugin, $hook);)+
    };
}

/// Natively there is no border to cross.
#[cfg(not(target_arch = "wasm32"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __export_hook {
    ($plugin:ty, $hook:ident) => {
        const _: () = {
            const fn is_implemented<T: $crate::$hook>() {}
            is_implemented::<$plugin>();
        };
    };
}

#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
#[macro_export]
macro_rules! __export_hook {
    ($plugin:ty, Connect) => { $crate::__export_hook!(@ $plugin, connect); };
    ($plugin:ty, Ehlo) => { $crate::__export_hook!(@ $plugin, ehlo); };
    ($plugin:ty, Mail) => { $crate::__export_hook!(@ $plugin, mail); };
    ($plugin:ty, Rcpt) => { $crate::__export_hook!(@ $plugin, rcpt); };
    ($plugin:ty, Data) => { $crate::__export_hook!(@ $plugin, data); };
    ($plugin:ty, Deliver) => { $crate::__export_hook!(@ $plugin, deliver); };
    ($plugin:ty, Start) => { $crate::__export_hook!(@ $plugin, start); };
    ($plugin:ty, CheckConfig) => { $crate::__export_hook!(@ $plugin, check_config); };
    (@ $plugin:ty, $hook:ident) => {
        const _: () = {
            // A name that no author gives a plugin: a type may not stand for itself.
            type PostroomExport = $crate::glue::Adapter<$plugin>;
            $crate::glue::$hook::export!(PostroomExport with_types_in $crate::glue::$hook);
        };
    };
}
