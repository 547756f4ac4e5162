/**
 * The FAISS binding: the source of faiss-node as it is, and two more methods of its indexes, `searchMany` and `addMany`.
 *
 * faiss-node's own `search` and `add` take an array of numbers and convert them one by one, and `search` never frees its copy: a process that
 * searches all day grows by each query. `search` also lets every exception of FAISS abort the process.
 */
#include <faiss/IVFlib.h>
#include <faiss/IndexFlat.h>
#include <faiss/IndexIVF.h>
#include <faiss/utils/Heap.h>
#include <faiss/utils/distances.h>
#include <napi.h>

#include <algorithm>
#include <vector>

// The module is registered below, once.
#pragma push_macro("NODE_API_MODULE")
#undef NODE_API_MODULE
#define NODE_API_MODULE(name, init)
#include "faiss.cc"
#pragma pop_macro("NODE_API_MODULE")

#include "wide-search.h"

extern "C" int sgemv_(const char *trans, const int *m, const int *n, const float *alpha, const float *a, const int *lda,
                      const float *x, const int *incx, const float *beta, float *y, const int *incy);

namespace mnemosync
{

/** Bytes of rows per product: few enough that the next query finds them in the processor's second cache. */
constexpr idx_t BYTES_AT_ONCE = 512 * 1024;

/**
 * Without `searchWide`, up to this many queries are multiplied one by one. Among 10,000 rows of 384 numbers 1 query takes 0.21 ms, by FAISS's own loop
 * 1.7, and 4 take 0.73; a product of two matrices takes 0.9 for 2 queries as well as for 4, and 1.6 for 16.
 */
constexpr idx_t ONE_BY_ONE_MAX = 4;
/** FAISS itself makes matrix products from 20 queries on; below, it takes 1.7 ms for each of them. */
constexpr int MATRIX_MIN = 2;

/** Names the protected member of a wrapper, as a derived class may. */
template <class T, class Y>
struct Wrapped : IndexBase<T, Y>
{
  static faiss::Index &of(T &wrapper)
  {
    return *(wrapper.*(&Wrapped::index_));
  }
};

/** Sets a value for the time of a scope. */
template <class V>
class Meanwhile
{
public:
  Meanwhile(V &place, V value) : place_(place), before_(place)
  {
    place_ = value;
  }
  ~Meanwhile()
  {
    place_ = before_;
  }

private:
  V &place_;
  const V before_;
};

/**
 * A few queries against a flat index of inner products, as products of matrix and vector by BLAS, where FAISS adds up row by row: Debian
 * builds it without the processor's wide instructions, and BLAS chooses them when it runs.
 */
void searchProducts(const faiss::IndexFlat &index, const float *queries, idx_t count, idx_t k, float *distances, idx_t *labels)
{
  using Worst = faiss::CMin<float, idx_t>;
  const int dimension = static_cast<int>(index.d);
  const int one = 1;
  const float alpha = 1;
  const float beta = 0;
  const idx_t rowsAtOnce = std::max<idx_t>(1, BYTES_AT_ONCE / (dimension * sizeof(float)));
  std::vector<float> products(std::min(rowsAtOnce, index.ntotal));
  for (idx_t query = 0; query < count; query++)
    faiss::heap_heapify<Worst>(k, distances + query * k, labels + query * k);
  for (idx_t start = 0; start < index.ntotal; start += rowsAtOnce)
  {
    const int rows = static_cast<int>(std::min(rowsAtOnce, index.ntotal - start));
    for (idx_t query = 0; query < count; query++)
    {
      float *worst = distances + query * k;
      sgemv_("T", &dimension, &rows, &alpha, index.get_xb() + start * dimension, &dimension, queries + query * dimension, &one,
             &beta, products.data(), &one);
      for (int row = 0; row < rows; row++)
      {
        if (Worst::cmp(worst[0], products[row]))
          faiss::heap_replace_top<Worst>(k, worst, labels + query * k, products[row], start + row);
      }
    }
  }
  for (idx_t query = 0; query < count; query++)
    faiss::heap_reorder<Worst>(k, distances + query * k, labels + query * k);
}

/**
 * Computes the scores of what was found anew, vector by vector. A product of matrices adds up in another order for some rows than for
 * others: equal vectors would have scores that differ in the last bits, and by Euclidean distance near ones lose half of their digits.
 */
void scoreExactly(const faiss::IndexFlat &index, const float *queries, idx_t count, idx_t k, float *distances, const idx_t *labels)
{
  const auto score = index.metric_type == faiss::METRIC_INNER_PRODUCT ? faiss::fvec_inner_product : faiss::fvec_L2sqr;
  for (idx_t at = 0; at < count * k; at++)
  {
    if (labels[at] >= 0)
      distances[at] = score(queries + at / k * index.d, index.get_xb() + labels[at] * index.d, index.d);
  }
}

/**
 * searchMany(queries: Float32Array, k, distances: Float32Array, labels: Int32Array, lists)
 *
 * Searches for whole vectors, one behind the other, and fills `distances` and `labels` with `k` results for each, nearly in order;
 * missing ones have the label -1. `lists`: how many lists an IVF index visits; 0: as many as its file says. Throws what FAISS throws.
 */
template <class T, class Y>
Napi::Value searchMany(const Napi::CallbackInfo &info)
{
  const Napi::Env env = info.Env();
  faiss::Index &index = Wrapped<T, Y>::of(*Napi::ObjectWrap<T>::Unwrap(info.This().As<Napi::Object>()));
  const auto queries = info[0].As<Napi::Float32Array>();
  const auto k = static_cast<idx_t>(info[1].As<Napi::Number>().Int64Value());
  auto distances = info[2].As<Napi::Float32Array>();
  auto labels = info[3].As<Napi::Int32Array>();
  const auto lists = static_cast<size_t>(info[4].As<Napi::Number>().Int64Value());
  const auto count = static_cast<idx_t>(queries.ElementLength() / index.d);
  const auto results = static_cast<size_t>(count * k);
  if (k < 1 || queries.ElementLength() != static_cast<size_t>(count) * index.d || distances.ElementLength() < results ||
      labels.ElementLength() < results)
  {
    Napi::RangeError::New(env, "searchMany: the arrays do not fit the index and k").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  std::vector<idx_t> found(results);
  try
  {
    const auto *flat = dynamic_cast<const faiss::IndexFlat *>(&index);
    auto *ivf = lists == 0 ? nullptr : faiss::ivflib::try_extract_index_ivf(&index);
    const bool isProduct = flat != nullptr && flat->metric_type == faiss::METRIC_INNER_PRODUCT;
    if (hasWideSearch() && (isProduct || (flat != nullptr && flat->metric_type == faiss::METRIC_L2)))
    {
      searchWide(*flat, queries.Data(), count, k, distances.Data(), found.data());
    }
    else if (isProduct && count <= ONE_BY_ONE_MAX)
    {
      searchProducts(*flat, queries.Data(), count, k, distances.Data(), found.data());
    }
    else if (ivf != nullptr)
    {
      const Meanwhile<size_t> more(ivf->nprobe, std::min(lists, ivf->nlist));
      index.search(count, queries.Data(), k, distances.Data(), found.data());
    }
    else
    {
      const Meanwhile<int> threshold(faiss::distance_compute_blas_threshold, MATRIX_MIN);
      index.search(count, queries.Data(), k, distances.Data(), found.data());
    }
    if (flat != nullptr)
      scoreExactly(*flat, queries.Data(), count, k, distances.Data(), found.data());
  }
  catch (const std::exception &failure)
  {
    Napi::Error::New(env, failure.what()).ThrowAsJavaScriptException();
    return env.Undefined();
  }
  std::transform(found.begin(), found.end(), labels.Data(), [](idx_t label) { return static_cast<int32_t>(label); });
  return env.Undefined();
}

/**
 * addMany(vectors: Float32Array)
 *
 * Adds whole vectors, one behind the other. An exception of FAISS, as when memory runs out, aborts the process, as it does in `add`: some
 * of the rows may be in by then.
 */
template <class T, class Y>
Napi::Value addMany(const Napi::CallbackInfo &info)
{
  const Napi::Env env = info.Env();
  faiss::Index &index = Wrapped<T, Y>::of(*Napi::ObjectWrap<T>::Unwrap(info.This().As<Napi::Object>()));
  const auto vectors = info[0].As<Napi::Float32Array>();
  if (vectors.ElementLength() % index.d != 0)
  {
    Napi::RangeError::New(env, "addMany: the array holds no whole vectors").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  index.add(static_cast<idx_t>(vectors.ElementLength() / index.d), vectors.Data());
  return env.Undefined();
}

template <class T, class Y>
void addMethods(Napi::Env env, Napi::Object exports)
{
  const Napi::Value constructor = exports.Get(T::CLASS_NAME);
  auto prototype = constructor.As<Napi::Object>().Get("prototype").As<Napi::Object>();
  prototype.Set("searchMany", Napi::Function::New(env, searchMany<T, Y>, "searchMany"));
  prototype.Set("addMany", Napi::Function::New(env, addMany<T, Y>, "addMany"));
}

Napi::Object init(Napi::Env env, Napi::Object exports)
{
  Init(env, exports);
  addMethods<Index, faiss::IndexFlatL2>(env, exports);
  addMethods<IndexFlatL2, faiss::IndexFlatL2>(env, exports);
  addMethods<IndexFlatIP, faiss::IndexFlatIP>(env, exports);
  exports.Set("sourceVersion", MNEMOSYNC_SOURCE_VERSION); // By which setup tells a binding of an earlier version.
  return exports;
}

} // namespace mnemosync

static napi_value registerBinding(napi_env env, napi_value exports)
{
  return Napi::RegisterModule(env, exports, mnemosync::init);
}

NAPI_MODULE(mnemosync_faiss, registerBinding)
