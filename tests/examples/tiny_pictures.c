/* tiny_pictures.c - data for the examples: DIR/{train,test}/{dark,light}/N.png, and IDX files of bars in ten places. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <nnopt/nnopt.h>

/* Ten classes of 28x28: a bar whose height on the picture is the class. */
static int write_idx(const char *dir, const char *part, int count)
{
	char path[1024];
	snprintf(path, sizeof path, "%s/%s-images-idx3-ubyte.gz", dir,
		 part); /* plain: the content counts, not the name */
	FILE *images = fopen(path, "wb");
	snprintf(path, sizeof path, "%s/%s-labels-idx1-ubyte.gz", dir, part);
	FILE *labels = fopen(path, "wb");
	if (images == NULL || labels == NULL)
		return 0;
	const unsigned char head[16] = { 0, 0,  8, 3, 0, 0, (unsigned char)(count >> 8), (unsigned char)count, 0, 0,
					 0, 28, 0, 0, 0, 28 };
	const unsigned char label_head[8] = { 0, 0, 8, 1, 0, 0, (unsigned char)(count >> 8), (unsigned char)count };
	int ok = fwrite(head, 1, 16, images) == 16 && fwrite(label_head, 1, 8, labels) == 8;
	for (int i = 0; i < count; i++) {
		unsigned char pixels[28 * 28], label = (unsigned char)(i % 10);
		for (int k = 0; k < 28 * 28; k++)
			pixels[k] = (unsigned char)((i * 29 + k * 13) % 90 + (k / 28 / 2 == label + 2 ? 150 : 0));
		ok = ok && fwrite(pixels, 1, sizeof pixels, images) == sizeof pixels &&
		     fwrite(&label, 1, 1, labels) == 1;
	}
	ok = fclose(images) == 0 && ok;
	return fclose(labels) == 0 && ok;
}

int main(int argc, char **argv)
{
	static const char *const splits[] = { "train", "test" }, *const classes[] = { "dark", "light" };
	nnopt_context *ctx = NULL;
	nnopt_tensor *t = NULL;
	char path[1024];
	if (argc != 2 || nnopt_context_create(&ctx, NULL) != NNOPT_OK ||
	    nnopt_tensor_create(&t, ctx, NNOPT_U8, 4, (const int64_t[]){ 1, 3, 32, 32 }, NNOPT_NHWC) != NNOPT_OK)
		return EXIT_FAILURE;
	(void)mkdir(argv[1], 0777);
	for (int s = 0; s < 2; s++) {
		snprintf(path, sizeof path, "%s/%s", argv[1], splits[s]);
		(void)mkdir(path, 0777);
		for (int c = 0; c < 2; c++) {
			snprintf(path, sizeof path, "%s/%s/%s", argv[1], splits[s], classes[c]);
			(void)mkdir(path, 0777);
			for (int i = 0; i < 40; i++) {
				uint8_t *p = nnopt_tensor_data(t);
				for (int k = 0; k < 3 * 32 * 32; k++)
					p[k] = (uint8_t)(c * 120 + (i * 37 + k * 11) % 100);
				snprintf(path, sizeof path, "%s/%s/%s/%d.png", argv[1], splits[s], classes[c], i);
				if (nnopt_image_write_png(t, path) != NNOPT_OK) {
					fprintf(stderr, "%s\n", nnopt_last_error());
					return EXIT_FAILURE;
				}
			}
		}
	}
	if (!write_idx(argv[1], "train", 600) || !write_idx(argv[1], "t10k", 60))
		return EXIT_FAILURE;
	nnopt_tensor_destroy(t);
	nnopt_context_destroy(ctx);
	return EXIT_SUCCESS;
}
