#pragma once

#include <cstdint>

namespace gangway {

/// Returns how many bytes the peer of a TCP socket has acknowledged so far, 0 if the kernel does not tell.
std::uint64_t bytes_acknowledged(int descriptor) noexcept;

} // namespace gangway
