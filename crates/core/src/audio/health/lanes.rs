//! Arithmetic on several samples at once, which the compiler turns into vector instructions.

use std::array::from_fn;

/// Number of samples that are processed with the same instructions: those of a register of AVX.
pub(super) const LANES: usize = 8;

pub(super) type Lanes = [f32; LANES];

/// Defines a function twice: for processors with the vector instructions AVX2 and FMA, which take half the time, and for all
/// others. The function calls the version that the processor can run. `FMA` is true in the first version. The name after
/// `else` is that of the second one. Functions that the body calls must be inlined to use the instructions.
macro_rules! vectorized {
    (
        $(#[$doc:meta])*
        $visibility:vis fn $name:ident<const FMA: bool>($($arg:ident: $type:ty),* $(,)?) -> $result:ty $body:block
        else $plain:ident
    ) => {
        $(#[$doc])*
        $visibility fn $name($($arg: $type),*) -> $result {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,fma")]
                fn with_avx($($arg: $type),*) -> $result {
                    version::<true>($($arg),*)
                }
                if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                    // SAFETY: the processor has the instructions, as the line above checks.
                    #[expect(unsafe_code, reason = "other processors cannot run the function")]
                    return unsafe { with_avx($($arg),*) };
                }
            }
            $plain($($arg),*)
        }

        /// The version for all processors.
        $visibility fn $plain($($arg: $type),*) -> $result {
            version::<false>($($arg),*)
        }

        #[inline(always)]
        fn version<const FMA: bool>($($arg: $type),*) -> $result $body
    };
}
pub(super) use vectorized;

/// Returns `a · b + c` for each lane. `FMA` is true if the processor has an instruction for it.
#[inline(always)]
pub(super) fn multiply_add<const FMA: bool>(a: Lanes, b: Lanes, c: Lanes) -> Lanes {
    from_fn(|lane| if FMA { a[lane].mul_add(b[lane], c[lane]) } else { a[lane] * b[lane] + c[lane] })
}

/// Returns the higher magnitude for each lane. NaN is ignored, unlike by `f32::max`, which takes several instructions.
#[inline(always)]
pub(super) fn higher(magnitudes: Lanes, samples: Lanes) -> Lanes {
    from_fn(|lane| {
        let magnitude = samples[lane].abs();
        if magnitude > magnitudes[lane] { magnitude } else { magnitudes[lane] }
    })
}

#[inline(always)]
pub(super) fn sum(lanes: Lanes) -> f32 {
    let halves: [f32; 4] = from_fn(|lane| lanes[lane] + lanes[lane + 4]);
    (halves[0] + halves[2]) + (halves[1] + halves[3])
}
