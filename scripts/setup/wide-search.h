/**
 * Exact search of a flat index by instructions that take eight numbers at a time (AVX2 and FMA), where the processor has them: asked when
 * the program runs, as the compiler is told of the oldest processor only.
 *
 * FAISS has BLAS multiply matrices, which copies all rows into an order of its own first: for 16 queries that is more than half of the
 * time. Here each row is read once, where it stands, and compared with all queries; the next rows are fetched meanwhile.
 */
#include <faiss/IndexFlat.h>
#include <faiss/utils/Heap.h>

#include <algorithm>
#include <vector>

#ifdef _OPENMP
#include <omp.h>
#endif

#if defined(__x86_64__) && defined(__GNUC__)
#define MNEMOSYNC_WIDE __attribute__((target("avx2,fma")))
#endif

namespace mnemosync
{

#ifdef MNEMOSYNC_WIDE

inline bool hasWideSearch()
{
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

constexpr int LANES = 8;
using Lanes = float __attribute__((vector_size(LANES * sizeof(float))));
using UnalignedLanes = float __attribute__((vector_size(LANES * sizeof(float)), aligned(4), may_alias));

/** Twelve sums, the rows and one query fill the sixteen registers. */
constexpr int ROWS_AT_ONCE = 3;
constexpr int QUERIES_AT_ONCE = 4;
constexpr idx_t CACHE_LINE = 64;
/** Multiplications from which on a thread is worth its start: a tenth of a millisecond. */
constexpr double WORK_PER_THREAD = 4e6;

/**
 * Inner products, or squared distances, of some rows with some queries: those of the first query first.
 * The order of the additions is the same for each pair, so that equal vectors have equal sums.
 */
template <bool IS_PRODUCT, int ROWS, int QUERIES>
MNEMOSYNC_WIDE void compare(const float *rows, const float *queries, idx_t dimension, float *sums)
{
  Lanes partial[QUERIES * ROWS];
#pragma GCC unroll 16
  for (int pair = 0; pair < QUERIES * ROWS; pair++)
    partial[pair] = Lanes{};
  idx_t at = 0;
  for (; at + LANES <= dimension; at += LANES)
  {
    Lanes row[ROWS];
#pragma GCC unroll 4
    for (int r = 0; r < ROWS; r++)
      row[r] = *reinterpret_cast<const UnalignedLanes *>(rows + r * dimension + at);
#pragma GCC unroll 4
    for (int q = 0; q < QUERIES; q++)
    {
      const Lanes query = *reinterpret_cast<const UnalignedLanes *>(queries + q * dimension + at);
#pragma GCC unroll 4
      for (int r = 0; r < ROWS; r++)
      {
        const Lanes apart = row[r] - query;
        partial[q * ROWS + r] += IS_PRODUCT ? row[r] * query : apart * apart;
      }
    }
  }
#pragma GCC unroll 16
  for (int pair = 0; pair < QUERIES * ROWS; pair++)
  {
    const Lanes sum = partial[pair];
    sums[pair] = ((sum[0] + sum[4]) + (sum[1] + sum[5])) + ((sum[2] + sum[6]) + (sum[3] + sum[7]));
  }
  for (; at < dimension; at++)
  {
    for (int q = 0; q < QUERIES; q++)
    {
      for (int r = 0; r < ROWS; r++)
      {
        const float row = rows[r * dimension + at];
        const float query = queries[q * dimension + at];
        sums[q * ROWS + r] += IS_PRODUCT ? row * query : (row - query) * (row - query);
      }
    }
  }
}

template <bool IS_PRODUCT, int ROWS>
void compareSome(const float *rows, const float *queries, int count, idx_t dimension, float *sums)
{
  static_assert(QUERIES_AT_ONCE == 4, "one case for each number of queries");
  switch (count)
  {
  case 1:
    return compare<IS_PRODUCT, ROWS, 1>(rows, queries, dimension, sums);
  case 2:
    return compare<IS_PRODUCT, ROWS, 2>(rows, queries, dimension, sums);
  case 3:
    return compare<IS_PRODUCT, ROWS, 3>(rows, queries, dimension, sums);
  default:
    return compare<IS_PRODUCT, ROWS, 4>(rows, queries, dimension, sums);
  }
}

/** The best results of each query so far: heaps whose worst one stands first. */
struct Heaps
{
  idx_t k;
  float *distances;
  idx_t *labels;
};

/**
 * Compares some rows with all queries.
 * @param fetchedEach bytes behind these rows that are fetched for each group of queries: all at once they would wait for each other.
 */
template <bool IS_PRODUCT, class Worst, int ROWS>
void offerRows(const float *rows, idx_t firstLabel, idx_t dimension, const float *queries, idx_t count, idx_t fetchedEach,
               const Heaps &heaps)
{
  float sums[ROWS * QUERIES_AT_ONCE];
  auto *ahead = reinterpret_cast<const char *>(rows + ROWS * dimension);
  for (idx_t from = 0; from < count; from += QUERIES_AT_ONCE)
  {
    for (idx_t fetched = 0; fetched < fetchedEach; fetched += CACHE_LINE, ahead += CACHE_LINE)
      __builtin_prefetch(ahead, 0, 2);
    const int some = static_cast<int>(std::min<idx_t>(QUERIES_AT_ONCE, count - from));
    compareSome<IS_PRODUCT, ROWS>(rows, queries + from * dimension, some, dimension, sums);
    for (int q = 0; q < some; q++)
    {
      float *worst = heaps.distances + (from + q) * heaps.k;
      for (int r = 0; r < ROWS; r++)
      {
        const float sum = sums[q * ROWS + r];
        if (Worst::cmp(worst[0], sum))
          faiss::heap_replace_top<Worst>(heaps.k, worst, heaps.labels + (from + q) * heaps.k, sum, firstLabel + r);
      }
    }
  }
}

/** The best of the rows from `start` to `end` for each query. */
template <bool IS_PRODUCT, class Worst>
void searchRows(const faiss::IndexFlat &index, idx_t start, idx_t end, const float *queries, idx_t count, const Heaps &heaps)
{
  const idx_t dimension = index.d;
  const float *vectors = index.get_xb();
  const idx_t groups = (count + QUERIES_AT_ONCE - 1) / QUERIES_AT_ONCE;
  const idx_t bytes = ROWS_AT_ONCE * dimension * sizeof(float);
  const idx_t fetchedEach = (bytes + CACHE_LINE * groups - 1) / (CACHE_LINE * groups) * CACHE_LINE;
  for (idx_t query = 0; query < count; query++)
    faiss::heap_heapify<Worst>(heaps.k, heaps.distances + query * heaps.k, heaps.labels + query * heaps.k);
  idx_t row = start;
  for (; row + ROWS_AT_ONCE <= end; row += ROWS_AT_ONCE)
    offerRows<IS_PRODUCT, Worst, ROWS_AT_ONCE>(vectors + row * dimension, row, dimension, queries, count, fetchedEach, heaps);
  for (; row < end; row++)
    offerRows<IS_PRODUCT, Worst, 1>(vectors + row * dimension, row, dimension, queries, count, 0, heaps);
}

/** The rows in slices, one for each thread that is worth it. */
template <bool IS_PRODUCT, class Worst>
void searchSlices(const faiss::IndexFlat &index, const float *queries, idx_t count, idx_t k, float *distances, idx_t *labels)
{
#ifdef _OPENMP
  const int threads = omp_get_max_threads();
#else
  const int threads = 1;
#endif
  const double work = static_cast<double>(index.ntotal) * count * index.d;
  const int slices = static_cast<int>(std::clamp<double>(work / WORK_PER_THREAD, 1, threads));
  const idx_t rowsEach = (index.ntotal + slices - 1) / slices;
  const idx_t results = count * k;
  std::vector<float> otherDistances((slices - 1) * results);
  std::vector<idx_t> otherLabels((slices - 1) * results);
#pragma omp parallel for num_threads(slices) schedule(static, 1) if (slices > 1)
  for (int slice = 0; slice < slices; slice++)
  {
    const idx_t start = std::min(index.ntotal, slice * rowsEach);
    const idx_t end = std::min(index.ntotal, start + rowsEach);
    const idx_t place = (slice - 1) * results;
    const Heaps heaps = slice == 0 ? Heaps{k, distances, labels} : Heaps{k, otherDistances.data() + place, otherLabels.data() + place};
    searchRows<IS_PRODUCT, Worst>(index, start, end, queries, count, heaps);
  }
  for (size_t at = 0; at < otherLabels.size(); at++)
  {
    const idx_t query = at % results / k;
    float *worst = distances + query * k;
    if (otherLabels[at] >= 0 && Worst::cmp(worst[0], otherDistances[at]))
      faiss::heap_replace_top<Worst>(k, worst, labels + query * k, otherDistances[at], otherLabels[at]);
  }
  for (idx_t query = 0; query < count; query++)
    faiss::heap_reorder<Worst>(k, distances + query * k, labels + query * k);
}

inline void searchWide(const faiss::IndexFlat &index, const float *queries, idx_t count, idx_t k, float *distances, idx_t *labels)
{
  if (index.metric_type == faiss::METRIC_INNER_PRODUCT)
    searchSlices<true, faiss::CMin<float, idx_t>>(index, queries, count, k, distances, labels);
  else
    searchSlices<false, faiss::CMax<float, idx_t>>(index, queries, count, k, distances, labels);
}

#else

inline bool hasWideSearch()
{
  return false;
}

inline void searchWide(const faiss::IndexFlat &, const float *, idx_t, idx_t, float *, idx_t *)
{
}

#endif

} // namespace mnemosync
