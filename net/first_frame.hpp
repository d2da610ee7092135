#pragma once

/// A look at a client's first frame before anybody reads it.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace gangway {

/// Returns how many bytes there must be to see the first frame whole (RFC 6455, 5.2), as far as `bytes` tell: more than
/// there are, if it is not whole yet. Nothing if it is none that is looked into: a frame of a client's that is one text
/// message, masked and not compressed, of at most `most` bytes with its header.
std::optional<std::size_t> first_frame_bytes(std::string_view bytes, std::size_t most) noexcept;

/// Returns the text of such a frame.
/// @pre `first_frame_bytes` said that there are so many, and it is whole
std::string first_frame_text(std::string_view frame);

} // namespace gangway
