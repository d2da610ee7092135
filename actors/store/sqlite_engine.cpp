#include "actors/store/engine.hpp"
#include "actors/store/sqlite_reader.hpp"
#include "actors/store/sqlite_writer.hpp"

namespace gangway {

namespace {

class sqlite_engine final : public storage_engine {
public:
  explicit sqlite_engine(std::string path) : path_{std::move(path)} {}

  std::unique_ptr<log_writer> make_writer() override { return std::make_unique<sqlite::writer>(path_); }
  std::unique_ptr<log_reader> make_reader() override { return std::make_unique<sqlite::reader>(path_); }

private:
  std::string path_;
};

} // namespace

std::unique_ptr<storage_engine> make_sqlite_engine(std::string path) {
  return std::make_unique<sqlite_engine>(std::move(path));
}

} // namespace gangway
