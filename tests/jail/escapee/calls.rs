//! Bare system calls with their errors.

/// Done, or the number of the error.
pub type Tried = Result<(), i32>;

/// The call's answer, or its error.
pub fn answer(result: i64) -> Result<i64, i32> {
    if result < 0 {
        Err(std::io::Error::last_os_error().raw_os_error().unwrap_or(0))
    } else {
        Ok(result)
    }
}

/// Whether the call succeeded.
pub fn done(result: i64) -> Tried {
    answer(result).map(drop)
}

/// Makes a system call; arguments are numbers and pointers.
macro_rules! call {
    ($name:ident $(, $argument:expr)* $(,)?) => {
        $crate::calls::answer(unsafe { libc::syscall(libc::$name $(, $argument)*) })
    };
}
pub(crate) use call;

/// Makes a system call of which only the success counts.
macro_rules! attempt {
    ($name:ident $(, $argument:expr)* $(,)?) => {
        $crate::calls::done(unsafe { libc::syscall(libc::$name $(, $argument)*) })
    };
}
pub(crate) use attempt;
