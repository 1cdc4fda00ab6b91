// Known: Rust functions with generics, a trait method and a closure, each with the same CPU time.
// Built twice, with the legacy and with the v0 mangling (the legacy one does not keep type arguments).
//
//     generics_v0 | generics_legacy
//
// It writes the same line of truth as the C targets; names are the parts that tests look for.

use std::io::Write;

#[repr(C)]
struct Timespec {
    sec: i64,
    nsec: i64,
}

extern "C" {
    fn clock_gettime(id: i32, out: *mut Timespec) -> i32;
}

const CLOCK_THREAD_CPUTIME_ID: i32 = 3;

fn thread_cpu_ns() -> u64 {
    let mut t = Timespec { sec: 0, nsec: 0 };
    unsafe { clock_gettime(CLOCK_THREAD_CPUTIME_ID, &mut t) };
    t.sec as u64 * 1_000_000_000 + t.nsec as u64
}

#[inline(always)]
fn spin(budget_ns: u64, salt: u64) -> u64 {
    let start = thread_cpu_ns();
    loop {
        let mut x = std::hint::black_box(salt);
        for _ in 0..200_000 {
            x = x.wrapping_mul(6364136223846793005).wrapping_add(salt);
        }
        std::hint::black_box(x);
        let spent = thread_cpu_ns() - start;
        if spent >= budget_ns {
            return spent;
        }
    }
}

pub trait Step {
    const SALT: u64;
}
pub struct Odd;
pub struct Even;
impl Step for Odd {
    const SALT: u64 = 4001;
}
impl Step for Even {
    const SALT: u64 = 4003;
}

#[inline(never)]
pub fn generic_work<T: Step>(budget_ns: u64) -> u64 {
    spin(budget_ns, T::SALT)
}

pub trait Runner {
    fn run_boxed(&self, budget_ns: u64) -> u64;
}
impl Runner for Odd {
    #[inline(never)]
    fn run_boxed(&self, budget_ns: u64) -> u64 {
        spin(budget_ns, 4007)
    }
}

#[inline(never)]
pub fn with_closure(budget_ns: u64) -> u64 {
    let body: Box<dyn Fn(u64) -> u64> = std::hint::black_box(Box::new(|ns| spin(ns, 4013)));
    body(budget_ns)
}

fn main() {
    let step_ns = 5_000_000;
    let mut odd = 0;
    let mut even = 0;
    let mut boxed = 0;
    let mut closure = 0;
    let runner: Box<dyn Runner> = std::hint::black_box(Box::new(Odd));
    while thread_cpu_ns() < 800_000_000 {
        odd += generic_work::<Odd>(step_ns);
        even += generic_work::<Even>(step_ns);
        boxed += runner.run_boxed(step_ns);
        closure += with_closure(step_ns);
    }
    let line = format!(
        "{{\"pid\": {}, \"functions\": {{\"odd\": {odd}, \"even\": {even}, \"boxed\": {boxed}, \"closure\": {closure}}}, \"threads\": []}}\n",
        std::process::id()
    );
    match std::env::var("TRUTH") {
        Ok(path) => {
            let mut file =
                std::fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
            file.write_all(line.as_bytes()).unwrap();
        }
        Err(_) => print!("{line}"),
    }
}
